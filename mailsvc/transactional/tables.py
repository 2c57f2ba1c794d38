"""Whether the service's tables are there, in words."""

from contextlib import nullcontext

from sqlalchemy import Connection, Engine, func, inspect, select, table

from mailsvc.errors import TablesMissing
from mailsvc.store.migrate import VERSIONS, lack, version_of

__all__ = ["require_tables"]


def require_tables(bind: Engine | Connection, schema: str | None) -> None:
    """Raise TablesMissing where the tables are not those of this version, as far as the role may know the version."""
    with bind.connect() if isinstance(bind, Engine) else nullcontext(bind) as connection:
        missing = None if _is_hidden(connection, schema) else lack(version_of(connection, schema))
    if missing is not None:
        raise TablesMissing(missing)


def _is_hidden(connection: Connection, schema: str | None) -> bool:
    """Whether there is a version that the role may not read: those of ``mailsvc grants`` may not."""
    if connection.dialect.name != "postgresql" or not inspect(connection).has_table(VERSIONS, schema=schema):
        return False
    name = connection.dialect.identifier_preparer.format_table(table(VERSIONS, schema=schema))
    return not connection.scalar(select(func.has_table_privilege(name, "SELECT")))
