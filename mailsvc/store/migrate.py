"""Brings a database to this version's tables, one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table, text

from mailsvc.forking import Descriptor
from mailsvc.store.database import Database
from mailsvc.store.schema import ensure_schema

__all__ = [
    "HEAD",
    "VERSIONS",
    "NewerTables",
    "alone",
    "current",
    "keep_others_waiting",
    "lack",
    "upgrade",
    "upgrade_on",
    "version_of",
]

HEAD = "0014"
VERSIONS = "mailsvc_alembic_version"


class NewerTables(Exception):
    """A newer version of mailsvc has changed the tables."""


def _is_newer(version: str | None, head: str) -> bool:
    return version is not None and version > head


def lack(version: str | None, *, head: str = HEAD) -> str | None:
    """What is wrong with tables of this version and what to do; None if nothing is."""
    if version == head:
        return None
    if _is_newer(version, head):
        return f"the tables are at {version}, this version of mailsvc knows them up to {head}: run the newer one"
    return f"the tables are at {version or 'nothing yet'}, needed is {head}: run mailsvc migrate"


def current(database: Database) -> str | None:
    """The version of the tables, or None where there are none yet."""
    with database.read() as connection:
        return version_of(connection)


def upgrade(database: Database, *, head: str = HEAD) -> str:
    """Apply what is missing. Returns the version that is now in force; safe to call from many processes at once.

    Args:
        head: the newest version that is known here.

    Raises:
        NewerTables: they are beyond what this version knows.
    """
    with alone(database) as connection:
        if database.schema is not None:
            ensure_schema(connection, database.schema)
        return upgrade_on(connection, head=head)


def upgrade_on(connection: Connection, *, head: str = HEAD) -> str:
    """As ``upgrade``, in the connection's transaction; no other process may do it meanwhile."""
    version = version_of(connection)
    if _is_newer(version, head):
        raise NewerTables(lack(version, head=head))
    if version != head:
        _run_alembic(connection, head)
    return version_of(connection) or head


def version_of(connection: Connection, schema: str | None = None) -> str | None:
    """The version of the tables in this schema, or None where there are none yet."""
    if not inspect(connection).has_table(VERSIONS, schema=schema):
        return None
    versions = table(VERSIONS, column("version_num"), schema=schema)
    return connection.execute(select(versions.c.version_num)).scalar()


def _run_alembic(connection: Connection, head: str) -> None:
    # Alembic is needed only here; a long-running process that finds its tables ready never loads it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_scripts()))
    config.attributes["connection"] = connection
    command.upgrade(config, head)


def _scripts() -> Path:
    installed = Path(__file__).parent.parent / "migrations"
    return installed if installed.is_dir() else Path(__file__).parent.parent.parent / "migrations"


@contextmanager
def alone(database: Database) -> Iterator[Connection]:
    """A transaction that no other process's start overlaps with."""
    if database.dialect == "sqlite":
        lock = Descriptor(os.open(f"{database.url.database}.migrate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with database.write() as connection:
                yield connection
        finally:
            lock.close()
        return
    with database.write() as connection:
        connection.execute(text("SET LOCAL lock_timeout = 0"))  # another process's migration takes as long as it needs
        keep_others_waiting(connection)
        yield connection


def keep_others_waiting(connection: Connection) -> None:
    """Wait until no other transaction on PostgreSQL migrates, and let none begin to before this one ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(7239450712)"))
