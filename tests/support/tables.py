"""Databases with all tables and no rows: created once, then emptied or copied, because migrating is slow."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import delete

from mailsvc.store.database import Database
from mailsvc.store.migrate import upgrade
from mailsvc.store.tables import metadata

__all__ = ["copy_empty_sqlite", "empty", "with_tables"]


def with_tables(url: str) -> Database:
    """Create the tables in the empty database of this URL. Returns it."""
    database = Database(url, pool_size=4)
    upgrade(database)
    return database


def empty(database: Database) -> None:
    """Delete every row: for a few rows it is fast, while TRUNCATE creates new files each time."""
    with database.write() as connection:
        for table in metadata.tables.values():
            connection.execute(delete(table))


def copy_empty_sqlite(path: Path) -> None:
    """Create a database with all tables and no rows at this path."""
    shutil.copy(_empty_sqlite(), path)


@cache
def _empty_sqlite() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="mailsvc-test-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = directory / "empty.db"
    with_tables(f"sqlite:///{path}").close()
    return path
