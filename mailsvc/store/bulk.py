"""Bulk statements: many rows are written by few statements and read as one document, without SQLAlchemy's cost per row.

SQLite's driver gives up Python's lock at every step of a statement. Getting it back, row by row, against a busy event
loop costs far more than the row itself; so rows go in by the hundred and come back as one JSON document. PostgreSQL takes
documents, too, and is asked everything of one commit in one pipeline; its rows come back at once, and in binary: as text,
bytes would be twice as long. Only for plain values: text, numbers, booleans, None, and bytes on their way in.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, LargeBinary, Select, Table, bindparam, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["Document", "Statement", "among", "carry_out", "decoder_of", "insertion", "listed", "update_of"]

T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]

_FEW_ROWS, _MOST_ROWS = 16, 128  # per statement
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL for the driver, with its parameters; its result is ignored.

    With ``prepare``, psycopg's word, PostgreSQL keeps its plan from one time to the next; None leaves that to how often it
    comes. It is False for what finds rows in a table that grows quickly: a plan from when the table was small reads all
    of it, every time, until the server analyses it a minute or more later.
    """

    sql: str
    values: tuple[Any, ...] = ()
    prepare: bool | None = None


def carry_out(connection: Connection, statements: Sequence[Statement]) -> None:
    """Execute the statements in the connection's transaction; on PostgreSQL in one round trip.

    Raises:
        DBAPIError: as from SQLAlchemy.
    """
    if connection.dialect.name == "sqlite":
        _one_by_one(connection, statements)
    elif statements:
        _in_one_pipeline(connection, statements)


def _one_by_one(connection: Connection, statements: Sequence[Statement]) -> None:
    driver: Any = connection.connection.driver_connection
    with _in_words_of_sqlalchemy(driver):
        for statement in statements:
            driver.execute(statement.sql, statement.values)


def _in_one_pipeline(connection: Connection, statements: Sequence[Statement]) -> None:
    driver: Any = connection.connection.driver_connection
    with _in_words_of_sqlalchemy(driver), driver.pipeline():
        for statement in statements:
            driver.execute(statement.sql, statement.values, prepare=statement.prepare)


@contextmanager
def _in_words_of_sqlalchemy(driver: Any) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy would."""
    try:
        yield
    except driver.Error as error:  # both drivers provide it (PEP 249, optional extensions)
        is_lost = getattr(driver, "closed", False)
        raise DBAPIError.instance(None, None, error, driver.Error, connection_invalidated=is_lost) from error


def insertion(dialect: str, table: Table, rows: Rows) -> list[Statement]:
    """The statements that insert these rows, which all have the same columns.

    Args:
        dialect: the database's name in SQLAlchemy.
    """
    if not rows:
        return []
    columns = tuple(rows[0])
    if dialect != "sqlite" and not any(isinstance(table.c[name].type, LargeBinary) for name in columns):
        return [Statement(_insert_document(table, columns), (_encode(rows).decode(),))]
    pick = _picker(columns)
    return [
        Statement(_insert_rows(dialect, table, columns, len(some)), tuple(chain.from_iterable(map(pick, some))))
        for some in _portions(rows)
    ]


def update_of(dialect: str, table: Table, keys: tuple[str, ...], rows: Rows) -> list[Statement]:
    """The statements that update rows: the columns ``keys`` choose a row, the other columns are set."""
    if not rows:
        return []
    columns = tuple(rows[0])
    if dialect != "sqlite":
        return [Statement(_update_by_document(table, keys, columns), (_encode(rows).decode(),), prepare=False)]
    pick = _picker(columns)
    return [
        Statement(_update_by_rows(table, keys, columns, len(some)), tuple(chain.from_iterable(map(pick, some))))
        for some in _portions(rows)
    ]


def _picker(columns: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function that takes these columns from a row."""
    if len(columns) == 1:
        return lambda row: (row[columns[0]],)  # of one name, itemgetter makes no tuple
    return itemgetter(*columns)


def _portions(rows: Rows) -> Iterator[Rows]:
    """Split the rows into powers of two, so that few prepared statements suffice for any number."""
    start = 0
    while start < len(rows):
        left = len(rows) - start
        stop = start + (left if left <= _FEW_ROWS else min(_MOST_ROWS, 1 << left.bit_length() - 1))
        yield rows[start:stop]
        start = stop


# All names in these statements are those of our own tables and columns.


@lru_cache(maxsize=512)
def _insert_rows(dialect: str, table: Table, columns: tuple[str, ...], rows: int) -> str:
    marks = _values(["?"] * len(columns), rows) if dialect == "sqlite" else _typed_marks(table, columns, rows)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) {marks}"


@lru_cache(maxsize=64)
def _insert_document(table: Table, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_recordset(table, columns)}"  # noqa: S608


@lru_cache(maxsize=512)
def _update_by_rows(table: Table, keys: tuple[str, ...], columns: tuple[str, ...], rows: int) -> str:
    source = f"({_values(['?'] * len(columns), rows)}) AS v"
    return _update(table, keys, columns, [f"v.column{n}" for n in range(1, len(columns) + 1)], source)


@lru_cache(maxsize=64)
def _update_by_document(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    return _update(table, keys, columns, [f"v.{name}" for name in columns], _recordset(table, columns))


def _update(table: Table, keys: tuple[str, ...], columns: tuple[str, ...], values: list[str], source: str) -> str:
    pairs = list(zip(columns, values, strict=True))
    assignments = ", ".join(f"{name} = {value}" for name, value in pairs if name not in keys)
    condition = " AND ".join(f"t.{name} = {value}" for name, value in pairs if name in keys)
    return f"UPDATE {table.name} AS t SET {assignments} FROM {source} WHERE {condition}"  # noqa: S608


def _typed_marks(table: Table, columns: tuple[str, ...], rows: int) -> str:
    marks = ["%b" if isinstance(table.c[name].type, LargeBinary) else "%s" for name in columns]
    return _values(marks, rows)


def _values(marks: list[str], rows: int) -> str:
    row = f"({', '.join(marks)})"
    return f"VALUES {', '.join([row] * rows)}"


def _recordset(table: Table, columns: tuple[str, ...]) -> str:
    """The rows of the one parameter as a table ``v``."""
    postgres = postgresql.dialect()  # type: ignore[no-untyped-call]
    shape = ", ".join(f"{name} {table.c[name].type.compile(postgres)}" for name in columns)
    return f"json_to_recordset(%s::json) AS v({shape})"


class Document(Generic[T]):
    """A query that returns structs; on SQLite through one JSON document.

    Args:
        query: what is selected.
        row: a struct with ``array_like``, whose fields stand for the columns by their order.
        prepare: see ``Statement``.
    """

    def __init__(self, query: Select[Any], row: type[T], *, prepare: bool | None = None) -> None:
        rows = query.subquery()
        self._query = Spoken(
            sqlite=select(func.json_group_array(func.json_array(*rows.c))),
            postgresql=query,
            prepare=prepare,
        )
        self._decode = decoder_of(row)
        self._type = list[row]  # type: ignore[valid-type]

    def read(self, connection: Connection, **values: Any) -> list[T]:
        """The rows for these values of the query's parameters."""
        rows = self._query.ask(connection, **values)
        return self._decode(rows[0][0]) if connection.dialect.name == "sqlite" else msgspec.convert(rows, self._type)


class Spoken:
    """A query compiled once per database and executed by the driver."""

    def __init__(self, *, sqlite: Select[Any], postgresql: Select[Any], prepare: bool | None) -> None:
        self._queries = {"sqlite": sqlite, "postgresql": postgresql}
        self._prepare = prepare
        self._compiled: dict[str, Any] = {}

    def ask(self, connection: Connection, **values: Any) -> Any:
        """The rows; the values are those of the query's parameters."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = self._queries[dialect.name].compile(dialect=dialect)
        named = compiled.params | values
        driver: Any = connection.connection.driver_connection
        with _in_words_of_sqlalchemy(driver):
            if dialect.name == "sqlite":
                return driver.execute(compiled.string, [named[name] for name in compiled.positiontup or ()]).fetchall()
            return driver.execute(compiled.string, named, binary=True, prepare=self._prepare).fetchall()


def decoder_of(row: type[T]) -> Callable[[str], list[T]]:
    """A decoder from a document to structs; SQLite's booleans are numbers."""
    return msgspec.json.Decoder(list[row], strict=False).decode  # type: ignore[valid-type]


def listed(values: Iterable[Any]) -> str:
    """Values as the single parameter of ``among``."""
    return _encode(list(values)).decode()


def among(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether the column's value is in this parameter (see ``listed``), whatever their number."""
    return _Among(column, bindparam(parameter))


class _Among(FunctionElement[bool]):
    # Without a type: as a Boolean it would become "(…) = 1" on SQLite, which uses no index.
    inherit_cache = True


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: Any, **options: Any) -> str:
    column, parameter = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({parameter}))"  # noqa: S608


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: Any, **options: Any) -> str:
    column, parameter = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY (ARRAY(SELECT json_array_elements_text(CAST({parameter} AS json))))"
