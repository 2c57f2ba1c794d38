"""Rows of ``mailsvc_submission`` as people see them, and what they may do with them: list, show, retry, drop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, cast, delete, select, true, update

from mailsvc import clock
from mailsvc.apps.apps import first_app
from mailsvc.domain.errors import NotFound
from mailsvc.outbox.submissions.check import EARLIEST
from mailsvc.outbox.submissions.refuse import stored_errors
from mailsvc.outbox.submissions.rows import (
    IS_WAITING,
    Row,
    as_bytes,
    columns_of,
    handle_of,
    read_drafts,
    row_of,
    shown,
    sizes_of,
)
from mailsvc.store.database import Database
from mailsvc.store.submission_tables import submission
from mailsvc.store.tables import app

__all__ = ["Filter", "drop_submission", "get_submission", "list_submissions", "retry_submission"]

_LATEST = 253_402_300_799 * clock.SECOND  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are listed."""

    apps: Sequence[str] = ()
    states: Sequence[str] = ()  # waiting, rejected


def list_submissions(
    database: Database, app_id: str, wanted: Filter, *, before: str | None, limit: int
) -> list[dict[str, Any]]:
    """At most ``limit`` rows, newest first, beginning below the id ``before``; the first app sees those of all apps."""
    with database.read() as connection:
        conditions = [_visible(connection, app_id)]
        if wanted.apps:
            conditions.append(submission.c.app.in_(wanted.apps))
        if len(set(wanted.states)) == 1:
            conditions.append(IS_WAITING if wanted.states[0] == "waiting" else ~IS_WAITING)
        if before is not None:
            conditions.append(submission.c.id < before)
        return [_object(row, errors) for row, errors in _rows(connection, conditions, limit)]


def get_submission(database: Database, app_id: str, id_: str, *, largest: int) -> dict[str, Any]:
    """One row with its draft, as text; None where that has more than ``largest`` bytes.

    Raises:
        NotFound: there is no such row, or it belongs to another app.
    """
    with database.read() as connection:
        row, errors = _found(connection, app_id, id_)
        draft = read_drafts(connection, [row]).get(row.handle, b"") if row.size <= largest else None
    return {**_object(row, errors), "draft": None if draft is None else shown(draft)}


def retry_submission(database: Database, app_id: str, id_: str) -> dict[str, Any]:
    """Have a row looked at again. Raises as ``get_submission``."""
    with database.write() as connection:
        row, _ = _found(connection, app_id, id_)
        at = handle_of(connection.dialect.name) == row.handle
        connection.execute(update(submission).where(at).values(errors=None))
    return _object(row, None)


def drop_submission(database: Database, app_id: str, id_: str) -> None:
    """Delete a row: its mail is never sent. Raises as ``get_submission``."""
    with database.write() as connection:
        row, _ = _found(connection, app_id, id_)
        at = handle_of(connection.dialect.name) == row.handle
        if not connection.execute(delete(submission).where(at)).rowcount:
            raise _no_submission()  # it has just been taken up


def _visible(connection: Connection, app_id: str) -> ColumnElement[bool]:
    if app_id == first_app(connection):
        return true()
    return submission.c.app == select(app.c.name).where(app.c.id == app_id).scalar_subquery()


def _found(connection: Connection, app_id: str, id_: str) -> tuple[Row, bytes | None]:
    visible = _visible(connection, app_id)
    found = _rows(connection, [visible, submission.c.id == id_], 1)
    if not found and connection.dialect.name == "sqlite":
        # An id may be there as bytes.
        found = _rows(connection, [visible, cast(submission.c.id, LargeBinary) == id_.encode()], 1)
    if not found:
        raise _no_submission()
    return found[0]


def _no_submission() -> NotFound:
    return NotFound("there is no such submission: it was taken up, or dropped, or never committed")


def _rows(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], limit: int
) -> list[tuple[Row, bytes | None]]:
    dialect = connection.dialect.name
    columns = [*columns_of(dialect), as_bytes(submission.c.errors, dialect).label("errors")]
    query = select(*columns).where(*conditions).order_by(submission.c.id.desc()).limit(limit)
    found = connection.execute(query).all()
    sizes = [row.size for row in found] if dialect != "sqlite" else sizes_of(connection, [row.handle for row in found])
    return [
        (row_of(row, size), None if row.errors is None else bytes(row.errors))
        for row, size in zip(found, sizes, strict=True)
    ]


def _object(row: Row, errors: bytes | None) -> dict[str, Any]:
    is_time = row.created_at is not None and EARLIEST <= row.created_at <= _LATEST
    return {
        "id": row.id,
        "app": row.app.name,
        "state": "waiting" if errors is None else "rejected",
        "idempotency_key": None if row.key is None else shown(row.key),
        "created_at": clock.rfc3339(row.created_at) if is_time and row.created_at else None,
        "size": row.size,
        "errors": [] if errors is None else stored_errors(errors),
    }
