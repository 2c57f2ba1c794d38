"""Reads rows of ``mailsvc_submission`` as they are: other programs wrote them.

SQLite keeps in a column whatever was inserted, even text that is no UTF-8, and its driver then fails for the whole
result. So everything is read as bytes, and a row is known by its rowid there. A draft's length is asked before the draft
is read.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    type_coerce,
)

from mailsvc.store.submission_tables import submission

__all__ = [
    "GROUP_BYTES",
    "GROUP_ROWS",
    "IS_WAITING",
    "Claim",
    "QueuedApp",
    "Row",
    "Wanted",
    "as_bytes",
    "claim",
    "columns_of",
    "handle_of",
    "is_of",
    "peek",
    "queued_apps",
    "read_drafts",
    "row_of",
    "shown",
    "sizes_of",
    "unchanged",
]

GROUP_BYTES = 8 * 1024 * 1024  # of drafts; a commit this large takes about a tenth of a second
GROUP_ROWS = 500
IS_WAITING = submission.c.errors.is_(None)


class QueuedApp(msgspec.Struct, frozen=True):
    """An app as rows name it; there may be none of this name."""

    raw: bytes
    is_text: bool = True  # SQLite may have bytes there, too

    @property
    def name(self) -> str:
        return shown(self.raw)


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row without its draft."""

    handle: int | str  # see ``handle_of``
    id: str
    app: QueuedApp
    key: bytes | None
    created_at: int | None  # None: what is there is no whole number
    size: int  # of the draft, in bytes


class Wanted(msgspec.Struct, frozen=True):
    """Which rows to take up: an app's after this id, or the one with this id."""

    app: QueuedApp | None = None
    after: str = ""
    id: str | None = None


class Claim(msgspec.Struct):
    """Rows of one app in the order of their ids, and those of their drafts that are not too large."""

    rows: list[Row]
    drafts: Mapping[int | str, bytes]
    is_full: bool  # there may be more


def handle_of(dialect: str) -> ColumnElement[Any]:
    """What rows are found by: on SQLite their rowid, whatever their id is."""
    return literal_column("mailsvc_submission.rowid", BigInteger) if dialect == "sqlite" else submission.c.id


def queued_apps(connection: Connection, *, after: QueuedApp | None, limit: int) -> list[QueuedApp]:
    """The next apps after this one that have waiting rows; one look at the index for each."""
    dialect = connection.dialect.name
    query = _queued_apps(dialect, None if after is None else after.is_text)
    given = {} if after is None else {"after": after.raw if dialect == "sqlite" else after.raw.decode()}
    rows = connection.execute(query, {"most": limit, **given})
    return [QueuedApp(bytes(raw), bool(is_text)) for raw, is_text in rows]


@cache  # every process asks this every second: to build it takes longer than to answer it
def _queued_apps(dialect: str, is_text: bool | None) -> Select[Any]:  # noqa: FBT001 - of the app after which to begin
    app = submission.c.app
    first = select(func.min(app).label("app")).where(IS_WAITING)
    if is_text is not None:
        first = first.where(app > _as_app(bindparam("after"), dialect, is_text=is_text))
    found = first.cte("queued", recursive=True)
    following = select(func.min(app)).where(IS_WAITING, app > found.c.app).scalar_subquery()
    found = found.union_all(select(following).where(found.c.app.is_not(None)))
    columns = as_bytes(found.c.app, dialect), _is_text(found.c.app, dialect)
    return select(*columns).where(found.c.app.is_not(None)).limit(bindparam("most"))


def claim(connection: Connection, wanted: Wanted, *, largest: int) -> Claim:
    """Read waiting rows; on PostgreSQL they are locked, and those that others have locked are passed over.

    Args:
        largest: the bytes of a draft that may be read.
    """
    rows = _rows(connection, wanted)
    size = count = 0
    for row in rows:
        size += row.size if row.size <= largest else 0
        if count and size > GROUP_BYTES:
            break
        count += 1
    is_full = count == GROUP_ROWS or count < len(rows)
    rows = rows[:count]
    return Claim(rows, read_drafts(connection, [row for row in rows if row.size <= largest]), is_full)


def peek(connection: Connection, id_: str) -> Row | None:
    """The row with this id, not locked."""
    dialect = connection.dialect.name
    found = connection.execute(select(*columns_of(dialect)).where(submission.c.id == id_)).first()
    if found is None:
        return None
    return row_of(found, found.size if dialect != "sqlite" else sizes_of(connection, [found.handle])[0])


def _rows(connection: Connection, wanted: Wanted) -> list[Row]:
    dialect = connection.dialect.name
    query = select(*columns_of(dialect)).where(IS_WAITING).order_by(submission.c.id).limit(GROUP_ROWS)
    if wanted.app is not None:
        query = query.where(is_of(wanted.app, dialect))
    if wanted.after:
        query = query.where(submission.c.id > wanted.after)
    if wanted.id is not None:
        query = query.where(submission.c.id == wanted.id)
    if dialect != "sqlite":
        # One row is asked for by somebody who needs it: let the other worker finish.
        query = query.with_for_update(skip_locked=wanted.id is None)
    found = connection.execute(query).all()
    sizes = [row.size for row in found] if dialect != "sqlite" else sizes_of(connection, [row.handle for row in found])
    return [row_of(row, size) for row, size in zip(found, sizes, strict=True)]


def row_of(row: Any, size: int) -> Row:
    """The row in a result of ``columns_of``."""
    app = QueuedApp(bytes(row.app), bool(row.app_is_text))
    key = None if row.key is None else bytes(row.key)
    return Row(row.handle, shown(bytes(row.id)), app, key, row.created_at, size)


def columns_of(dialect: str) -> list[ColumnElement[Any]]:
    """What is selected of a row; its ``size`` is not known on SQLite (see ``sizes_of``)."""
    columns = submission.c
    found: list[ColumnElement[Any]] = [
        handle_of(dialect).label("handle"),
        as_bytes(columns.id, dialect).label("id"),
        as_bytes(columns.app, dialect).label("app"),
        _is_text(columns.app, dialect).label("app_is_text"),
        as_bytes(columns.idempotency_key, dialect).label("key"),
    ]
    if dialect == "sqlite":
        is_whole = func.typeof(columns.created_at) == "integer"
        return [*found, case((is_whole, columns.created_at)).label("created_at"), null().label("size")]
    return [*found, columns.created_at.label("created_at"), func.octet_length(columns.draft).label("size")]


def as_bytes(column: ColumnElement[Any], dialect: str) -> ColumnElement[bytes]:
    """A text as the bytes that are stored."""
    if dialect == "sqlite":
        return cast(column, LargeBinary)
    return func.convert_to(column, "UTF8", type_=LargeBinary)


def _is_text(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    return func.typeof(column) == "text" if dialect == "sqlite" else literal(value=True)


def is_of(app: QueuedApp, dialect: str) -> ColumnElement[bool]:
    """Whether a row names this app."""
    raw: Any = app.raw if dialect == "sqlite" else app.raw.decode()
    return submission.c.app == _as_app(bindparam(None, raw), dialect, is_text=app.is_text)


def _as_app(value: BindParameter[Any], dialect: str, *, is_text: bool) -> ColumnElement[Any]:
    if dialect != "sqlite" or not is_text:
        return type_coerce(value, Text)
    # A cast from bytes to text does not look whether they are UTF-8.
    return cast(type_coerce(value, LargeBinary), Text)


def sizes_of(connection: Connection, handles: Sequence[int]) -> list[int]:
    """The lengths of drafts on SQLite, whose ``length()`` would read them whole."""
    sizes = []
    for handle in handles:
        with _blob(connection, handle) as blob:
            sizes.append(len(blob))
    return sizes


def read_drafts(connection: Connection, rows: Sequence[Row]) -> dict[int | str, bytes]:
    """The drafts of these rows, by handle, without those that are gone."""
    if connection.dialect.name != "sqlite":
        content = func.convert_to(submission.c.draft, "UTF8", type_=LargeBinary)
        wanted = select(submission.c.id, content).where(submission.c.id.in_([row.handle for row in rows]))
        return {id_: bytes(draft) for id_, draft in connection.execute(wanted)}
    drafts: dict[int | str, bytes] = {}
    for row in rows:
        with _blob(connection, row.handle) as blob:
            drafts[row.handle] = blob.read()
    return drafts


def _blob(connection: Connection, handle: int | str) -> Any:
    driver: Any = connection.connection.driver_connection
    return driver.blobopen("mailsvc_submission", "draft", handle, readonly=True)


def unchanged(connection: Connection, claimed: Claim) -> set[int | str]:
    """The handles of claimed rows that are as they were, for SQLite: they were read in an earlier transaction."""
    by_handle = {row.handle: row for row in claimed.rows}
    wanted = select(*columns_of("sqlite")).where(handle_of("sqlite").in_(list(by_handle)), IS_WAITING)
    same = set()
    for found in connection.execute(wanted).all():
        before, draft = by_handle[found.handle], claimed.drafts.get(found.handle)
        with _blob(connection, found.handle) as blob:
            is_same = row_of(found, len(blob)) == before and (draft is None or blob.read() == draft)
        if is_same:
            same.add(found.handle)
    return same


def shown(raw: bytes) -> str:
    """Bytes of another program as text; what is no UTF-8 becomes escapes."""
    return raw.decode(errors="backslashreplace")
