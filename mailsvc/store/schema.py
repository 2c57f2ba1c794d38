"""The schema of PostgreSQL that the tables are in, where it is not the one that sessions find by themselves.

It is the parameter ``schema`` of the database's URL, and set as the only place where a session looks for names. So the
statements that are compiled once, for the driver, hold for every service of a process.
"""

from sqlalchemy import URL, Connection, inspect, make_url
from sqlalchemy.schema import CreateSchema

__all__ = ["ensure_schema", "quoted", "split_schema"]


def split_schema(url: str) -> tuple[URL, str | None]:
    """Return the URL that the driver takes, and the schema, if it names one."""
    found = make_url(url)
    schema = found.query.get("schema")
    if schema is None or found.get_backend_name() == "sqlite":
        return found, None
    return found.difference_update_query(["schema"]), schema if isinstance(schema, str) else schema[-1]


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return '"{}"'.format(name.replace('"', '""'))


def ensure_schema(connection: Connection, schema: str) -> None:
    """Create the schema if there is none; only then must the role be allowed to."""
    if not inspect(connection).has_schema(schema):
        connection.execute(CreateSchema(schema))
