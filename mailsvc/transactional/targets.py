"""Inserts rows on whatever transaction an application has: SQLAlchemy's, Django's, a driver's.

A target is known by its class, which is looked for only in modules that are loaded: where there is no Django, none is
imported.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Insert, Table, insert

from mailsvc.transactional.ring import Ring
from mailsvc.transactional.sessions import connection_of, require_same_database
from mailsvc.transactional.sqlite_engine import require_whole_savepoints

__all__ = ["Place", "Rows", "insert_async", "insert_rows", "sync_engine"]

Rows = Sequence[dict[str, str | None]]

_DATABASES = ("sqlite", "postgresql")
_ASYNC = (
    ("sqlalchemy.ext.asyncio.session", "AsyncSession"),
    ("sqlalchemy.ext.asyncio.scoping", "async_scoped_session"),
    ("sqlalchemy.ext.asyncio.engine", "AsyncConnection"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows go.

    Args:
        engine: the Outbox's own.
    """

    table: Table
    engine: Engine | None
    ring: Ring
    # inline: SQLAlchemy would add RETURNING, for which an application may have no right.
    statement: Insert = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statement", insert(self.table).inline())


def sync_engine(engine: Any) -> Engine | None:
    """Return the engine behind an asynchronous one. Raises TypeError for what is none."""
    found = getattr(engine, "sync_engine", engine)
    if found is not None and not isinstance(found, Engine):
        raise TypeError(f"Outbox takes an Engine or AsyncEngine, not {type(engine).__name__}")
    return found


def insert_rows(target: Any, rows: Rows, place: Place) -> None:
    """Insert the rows by one statement in the target's transaction.

    Raises:
        TypeError: the target is none, or an asynchronous one.
        RuntimeError: on SQLite, a savepoint that may be committed alone.
        ValueError: the target's database is not the Outbox's.
    """
    _writer(target)(target, rows, place)


async def insert_async(target: Any, rows: Rows, place: Place) -> None:
    """As ``insert_rows``, for asynchronous sessions and connections of SQLAlchemy."""
    if not any(_is(target, *kind) for kind in _ASYNC):
        _writer(target)  # TypeError for what is no target at all
        raise TypeError(f"{type(target).__name__} is not asynchronous: write `outbox.send(…)`")
    owner = target() if _is(target, *_ASYNC[1]) else target
    await owner.run_sync(insert_rows, rows, place)


def _is(target: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(target, kind)


def _writer(target: object) -> Callable[[Any, Rows, Place], None]:
    for module, name, writer in _WRITERS:
        if _is(target, module, name):
            return writer
    raise _refusal(target)


def _refusal(target: object) -> TypeError:
    if any(_is(target, *kind) for kind in _ASYNC):
        return TypeError(f"{type(target).__name__} is asynchronous: write `await outbox.asend(…)`")
    if isinstance(target, Engine) or _is(target, "sqlalchemy.ext.asyncio.engine", "AsyncEngine"):
        return TypeError("an engine has no transaction: whose is the mail to be in? Give a Session or a Connection")
    return TypeError(
        "a mail goes into the transaction of a Session, scoped_session, Connection, AsyncSession or AsyncConnection of "
        "SQLAlchemy, of Django's connection, or of a connection of sqlite3 or psycopg, not of "
        f"{type(target).__module__}.{type(target).__qualname__}"
    )


def _on_connection(connection: Connection, rows: Rows, place: Place) -> None:
    if connection.dialect.name not in _DATABASES:
        raise TypeError(f"mailsvc keeps its tables in SQLite or PostgreSQL, not in {connection.dialect.name}")
    require_same_database(place.engine, connection.engine)
    if connection.dialect.name == "sqlite":
        require_whole_savepoints(connection)
    if len(rows) == 1:
        connection.execute(place.statement, rows[0])
    else:
        connection.execute(place.statement.values(list(rows)))


def _on_session(session: Any, rows: Rows, place: Place) -> None:
    _on_connection(connection_of(session, place.engine), rows, place)
    place.ring.after(session)


def _on_scoped_session(registry: Any, rows: Rows, place: Place) -> None:
    _on_session(registry(), rows, place)


def _on_django(connection: Any, rows: Rows, place: Place) -> None:
    if connection.vendor not in _DATABASES:
        raise TypeError(f"mailsvc keeps its tables in SQLite or PostgreSQL, not in {connection.vendor}")
    with connection.cursor() as cursor:
        cursor.execute(*_in_words_of_driver(rows, place.table, "%s"))
    if place.ring.is_heard:
        connection.on_commit(place.ring)


def _on_sqlite3(connection: Any, rows: Rows, place: Place) -> None:
    connection.execute(*_in_words_of_driver(rows, place.table, "?"))


def _on_psycopg(connection: Any, rows: Rows, place: Place) -> None:
    connection.execute(*_in_words_of_driver(rows, place.table, "%s"))


def _in_words_of_driver(rows: Rows, table: Table, mark: str) -> tuple[str, list[str | None]]:
    names = list(rows[0])
    marks = ", ".join([f"({', '.join([mark] * len(names))})"] * len(rows))
    schema = '"{}".'.format(table.schema.replace('"', '""').replace("%", "%%")) if table.schema else ""
    values = [row[name] for row in rows for name in names]
    return f"INSERT INTO {schema}{table.name} ({', '.join(names)}) VALUES {marks}", values  # noqa: S608 - our names


_WRITERS: tuple[tuple[str, str, Callable[[Any, Rows, Place], None]], ...] = (
    ("sqlalchemy.orm.session", "Session", _on_session),
    ("sqlalchemy.orm.scoping", "scoped_session", _on_scoped_session),
    ("sqlalchemy.engine.base", "Connection", _on_connection),
    ("django.db.backends.base.base", "BaseDatabaseWrapper", _on_django),
    ("django.utils.connection", "ConnectionProxy", _on_django),
    ("sqlite3", "Connection", _on_sqlite3),
    ("psycopg", "Connection", _on_psycopg),
)
