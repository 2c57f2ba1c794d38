"""Many rows in one call, by what each database does best, without SQLAlchemy's work per row.

SQLite takes them as one JSON document in one statement: the driver gives up Python's lock at every step of a statement,
and getting it back, row by row, against a busy event loop costs far more than the row itself. PostgreSQL takes new rows by
COPY and changes as one JSON document as well. Only for plain values: text, numbers, booleans, None, and bytes (for which
SQLite is given row by row).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, LargeBinary, Table
from sqlalchemy.dialects import postgresql

__all__ = ["Insertion", "insert_rows", "prepare_rows", "update_rows"]

Rows = Sequence[Mapping[str, Any]]

_ROWS_AT_ONCE = 100
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Insertion:
    """Rows of one table, made ready outside a transaction: what is left is the database's own work."""

    sql: str
    values: Sequence[Any]  # the parameters of ``sql``, or the rows that it copies
    is_copy: bool = False

    def carry_out(self, connection: Connection) -> None:
        if not self.is_copy:
            connection.exec_driver_sql(self.sql, tuple(self.values))
            return
        with connection.connection.cursor().copy(self.sql) as copy:
            for row in self.values:
                copy.write_row(row)


def prepare_rows(dialect: str, table: Table, rows: Rows) -> list[Insertion]:
    """Make rows ready that all have the same columns.

    Args:
        dialect: the database's name in SQLAlchemy.
    """
    if not rows:
        return []
    columns = tuple(rows[0])
    picked = list(map(itemgetter(*columns), rows))
    if dialect != "sqlite":
        return [Insertion(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN", picked, is_copy=True)]
    if not any(isinstance(table.c[name].type, LargeBinary) for name in columns):
        return [Insertion(_insert_all(table, columns), (_encode(picked).decode(),))]
    return [
        Insertion(_insert_each(table, columns, len(some)), [value for row in some for value in row])
        for some in (picked[at : at + _ROWS_AT_ONCE] for at in range(0, len(picked), _ROWS_AT_ONCE))
    ]


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows that all have the same columns."""
    for insertion in prepare_rows(connection.dialect.name, table, rows):
        insertion.carry_out(connection)


def update_rows(connection: Connection, table: Table, keys: tuple[str, ...], rows: Rows) -> None:
    """Give rows new values; each names the columns of ``keys``, which choose the row, and the same others, which are set."""
    if not rows:
        return
    columns = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        pick = itemgetter(*columns)
        connection.exec_driver_sql(_update_lite(table, keys, columns), (_encode([pick(row) for row in rows]).decode(),))
    else:
        connection.exec_driver_sql(_update_all(table, keys, columns), (_encode(rows).decode(),))


@lru_cache(maxsize=32)
def _insert_all(table: Table, columns: tuple[str, ...]) -> str:
    values = ", ".join(f"value ->> {n}" for n in range(len(columns)))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM json_each(?)"  # noqa: S608


@lru_cache(maxsize=256)
def _insert_each(table: Table, columns: tuple[str, ...], rows: int) -> str:
    # One statement for many rows: the driver gives up Python's lock at each.
    marks = ", ".join([f"({', '.join('?' * len(columns))})"] * rows)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {marks}"  # noqa: S608 - names of our own tables


@lru_cache(maxsize=32)
def _update_lite(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    values = ", ".join(f"value ->> {n} AS {name}" for n, name in enumerate(columns))
    assignments = ", ".join(f"{name} = v.{name}" for name in columns if name not in keys)
    condition = " AND ".join(f"{table.name}.{key} = v.{key}" for key in keys)
    return f"UPDATE {table.name} SET {assignments} FROM (SELECT {values} FROM json_each(?)) AS v WHERE {condition}"  # noqa: S608


@lru_cache(maxsize=32)
def _update_all(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    shape = ", ".join(f"{name} {table.c[name].type.compile(dialect)}" for name in columns)
    assignments = ", ".join(f"{name} = v.{name}" for name in columns if name not in keys)
    condition = " AND ".join(f"t.{key} = v.{key}" for key in keys)
    return (
        f"UPDATE {table.name} AS t SET {assignments} FROM json_to_recordset(%s::json) AS v({shape}) WHERE {condition}"  # noqa: S608
    )
