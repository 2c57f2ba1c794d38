"""Many rows in one call, by what each database does best, without SQLAlchemy's work per row.

SQLite runs one prepared statement over all rows; PostgreSQL takes new rows by COPY and changes as one JSON document, so
that a group costs one round trip instead of one a row. Only for plain values: text, numbers, bytes, booleans and None.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

__all__ = ["insert_rows", "update_rows"]

Rows = Sequence[Mapping[str, Any]]


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows that all have the same columns."""
    if not rows:
        return
    columns = tuple(rows[0])
    pick = itemgetter(*columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - names of our own tables
            [pick(row) for row in rows],
        )
        return
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(pick(row))


def update_rows(connection: Connection, table: Table, keys: tuple[str, ...], rows: Rows) -> None:
    """Give rows new values; each names the columns of ``keys``, which choose the row, and the same others, which are set."""
    if not rows:
        return
    columns = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        changed = tuple(name for name in columns if name not in keys)
        pick = itemgetter(*changed, *keys)
        connection.exec_driver_sql(_update_one(table, keys, changed), [pick(row) for row in rows])
    else:
        connection.exec_driver_sql(_update_all(table, keys, columns), (msgspec.json.encode(rows).decode(),))


@lru_cache(maxsize=32)
def _update_one(table: Table, keys: tuple[str, ...], changed: tuple[str, ...]) -> str:
    assignments = ", ".join(f"{name} = ?" for name in changed)
    return f"UPDATE {table.name} SET {assignments} WHERE {' AND '.join(f'{key} = ?' for key in keys)}"  # noqa: S608


@lru_cache(maxsize=32)
def _update_all(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    shape = ", ".join(f"{name} {table.c[name].type.compile(dialect)}" for name in columns)
    assignments = ", ".join(f"{name} = v.{name}" for name in columns if name not in keys)
    condition = " AND ".join(f"t.{key} = v.{key}" for key in keys)
    return (
        f"UPDATE {table.name} AS t SET {assignments} FROM json_to_recordset(%s::json) AS v({shape}) WHERE {condition}"  # noqa: S608
    )
