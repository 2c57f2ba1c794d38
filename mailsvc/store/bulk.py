"""Many rows in one call, without SQLAlchemy's work per row: the statement is compiled once, the driver takes it from there.

Only for plain values (text, numbers, bytes, booleans, None), which need no conversion on either database.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Table, bindparam, insert
from sqlalchemy.sql.dml import UpdateBase

__all__ = ["insert_rows", "run_many"]


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if rows:
        run_many(connection, _insert_of(table, tuple(rows[0])), rows)


def run_many(connection: Connection, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run an INSERT, UPDATE or DELETE once for each row of parameters.

    Args:
        statement: made once (a module constant), since its compiled form is kept for as long as the process lives.
    """
    if not rows:
        return
    sql, pick = _compiled(statement, connection.dialect)
    connection.exec_driver_sql(sql, [pick(row) for row in rows] if pick else list(rows))  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _insert_of(table: Table, columns: tuple[str, ...]) -> UpdateBase:
    return insert(table).values({name: bindparam(name) for name in columns})


@lru_cache(maxsize=128)
def _compiled(statement: UpdateBase, dialect: Dialect) -> tuple[str, Any]:
    compiled = statement.compile(dialect=dialect)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    if constants:
        raise ValueError(f"not plain parameters: {sorted(constants)}")
    names = compiled.positiontup  # type: ignore[attr-defined]
    if names is None:
        return compiled.string, None
    return compiled.string, itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
