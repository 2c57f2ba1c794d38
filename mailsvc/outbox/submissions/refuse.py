"""Refuses rows that can't be taken up: they stay, with their errors, and the app is told by ``submission.rejected``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, update

from mailsvc.apps.apps import first_app
from mailsvc.domain.errors import Problem
from mailsvc.domain.jsontext import compact
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.outbox.submissions.check import LONGEST_DETAIL, errors_of
from mailsvc.outbox.submissions.rows import Row, handle_of, shown
from mailsvc.store.submission_tables import submission

__all__ = ["Refused", "refuse", "stored_errors"]


@dataclass(frozen=True, slots=True)
class Refused:
    """A row, its app where that exists, and what is wrong."""

    row: Row
    app_id: str | None
    problem: Problem


def refuse(connection: Connection, refused: Sequence[Refused], *, now: int) -> None:
    """Set the rows' errors and append an event for each; in the first app's feed, where theirs doesn't exist."""
    if not refused:
        return
    handle = handle_of(connection.dialect.name)
    values = [{"handle": item.row.handle, "said": compact(errors_of(item.problem))} for item in refused]
    connection.execute(update(submission).where(handle == bindparam("handle")).values(errors=bindparam("said")), values)
    operator = first_app(connection)
    news = [event for item in refused if (event := _event(item, item.app_id or operator))]
    append_events(connection, news, now=now)


def stored_errors(stored: bytes) -> list[dict[str, str]]:
    """What stands in the column ``errors``; any program may have written there."""
    try:
        errors = json.loads(stored)
        return [{"field": str(error["field"]), "detail": str(error["detail"])} for error in errors]
    except (ValueError, TypeError, KeyError, RecursionError):
        return [{"field": "", "detail": shown(stored[:LONGEST_DETAIL])}]


def _event(item: Refused, app_id: str | None) -> NewEvent | None:
    if app_id is None:  # there is nobody to tell yet
        return None
    row = item.row
    data = {
        "submission_id": row.id,
        "app": row.app.name,
        "errors": errors_of(item.problem),
        "idempotency_key": None if row.key is None else shown(row.key),
    }
    return NewEvent(app_id, "submission.rejected", data)
