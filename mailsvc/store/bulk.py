"""Many rows in one statement, many statements in one round trip, without SQLAlchemy's work per row.

Rows travel as one JSON document: SQLite's driver gives up Python's lock at every step of a statement, and getting it back,
row by row, against a busy event loop costs far more than the row itself; PostgreSQL is asked everything in one pipeline.
Only for plain values: text, numbers, booleans, None, and bytes (rows with bytes travel as parameters).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, LargeBinary, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

__all__ = ["Statement", "carry_out", "insertion", "update_of"]

Rows = Sequence[Mapping[str, Any]]

_ROWS_AT_ONCE = 100
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL in the driver's own words, with its parameters; it returns nothing that matters."""

    sql: str
    values: tuple[Any, ...] = ()


def carry_out(connection: Connection, statements: Sequence[Statement]) -> None:
    """Execute the statements in the connection's transaction; on PostgreSQL in one round trip.

    Raises:
        DBAPIError: as from SQLAlchemy.
    """
    if connection.dialect.name == "sqlite":
        for statement in statements:
            connection.exec_driver_sql(statement.sql, statement.values)
    elif statements:
        _in_one_pipeline(connection, statements)


def _in_one_pipeline(connection: Connection, statements: Sequence[Statement]) -> None:
    import psycopg  # noqa: PLC0415 - only where there is a PostgreSQL

    driver: Any = connection.connection.driver_connection
    try:
        with driver.pipeline():
            for statement in statements:
                driver.execute(statement.sql, statement.values)
    except psycopg.Error as error:
        raise DBAPIError.instance(None, None, error, psycopg.Error, connection_invalidated=driver.closed) from error


def insertion(dialect: str, table: Table, rows: Rows) -> list[Statement]:
    """What inserts these rows, which all have the same columns.

    Args:
        dialect: the database's name in SQLAlchemy.
    """
    if not rows:
        return []
    columns = tuple(rows[0])
    picked = list(map(itemgetter(*columns), rows))
    if any(isinstance(table.c[name].type, LargeBinary) for name in columns):
        return [
            Statement(_insert_each(dialect, table, columns, len(some)), tuple(value for row in some for value in row))
            for some in (picked[at : at + _ROWS_AT_ONCE] for at in range(0, len(picked), _ROWS_AT_ONCE))
        ]
    document = _encode(picked if dialect == "sqlite" else rows).decode()
    return [Statement(_insert_all(dialect, table, columns), (document,))]


def update_of(dialect: str, table: Table, keys: tuple[str, ...], rows: Rows) -> list[Statement]:
    """What gives rows new values; each names the columns of ``keys``, which choose the row, and the same others, which are set."""
    if not rows:
        return []
    columns = tuple(rows[0])
    picked = list(map(itemgetter(*columns), rows)) if dialect == "sqlite" else rows
    return [Statement(_update_all(dialect, table, keys, columns), (_encode(picked).decode(),))]


# All names in these statements are of our own tables and columns.


@lru_cache(maxsize=64)
def _insert_all(dialect: str, table: Table, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_document(dialect, table, columns)}"  # noqa: S608


@lru_cache(maxsize=512)
def _insert_each(dialect: str, table: Table, columns: tuple[str, ...], rows: int) -> str:
    mark = dict.fromkeys(columns, "?" if dialect == "sqlite" else "%s")
    if dialect != "sqlite":
        mark |= {name: "%b" for name in columns if isinstance(table.c[name].type, LargeBinary)}
    marks = ", ".join([f"({', '.join(mark.values())})"] * rows)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {marks}"  # noqa: S608


@lru_cache(maxsize=64)
def _update_all(dialect: str, table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    assignments = ", ".join(f"{name} = v.{name}" for name in columns if name not in keys)
    condition = " AND ".join(f"t.{key} = v.{key}" for key in keys)
    return f"UPDATE {table.name} AS t SET {assignments} FROM {_document(dialect, table, columns)} WHERE {condition}"  # noqa: S608


def _document(dialect: str, table: Table, columns: tuple[str, ...]) -> str:
    """The rows of the one parameter as a table ``v``."""
    if dialect == "sqlite":
        values = ", ".join(f"value ->> {n} AS {name}" for n, name in enumerate(columns))
        return f"(SELECT {values} FROM json_each(?)) AS v"  # noqa: S608
    postgres = postgresql.dialect()  # type: ignore[no-untyped-call]
    shape = ", ".join(f"{name} {table.c[name].type.compile(postgres)}" for name in columns)
    return f"json_to_recordset(%s::json) AS v({shape})"
