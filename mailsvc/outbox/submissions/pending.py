"""Submissions before they are taken up, as somebody sees them who knows their id."""

import json
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select

from mailsvc.domain.draft import Draft
from mailsvc.domain.draft_json import draft_in
from mailsvc.domain.errors import FieldError, Problem, SubmissionRejected
from mailsvc.domain.strict_json import parse_json
from mailsvc.outbox.builder import MessageBuilder
from mailsvc.outbox.message_rows import Given, NewMessage
from mailsvc.outbox.submissions.check import errors_of, is_final
from mailsvc.outbox.submissions.refuse import stored_errors
from mailsvc.outbox.submissions.rows import Row, Wanted, as_bytes, peek, read_drafts
from mailsvc.outbox.submissions.take_up import TakeUp
from mailsvc.store.submission_tables import submission
from mailsvc.store.tables import app

__all__ = ["Pending", "pending", "require_taken_up"]


@dataclass(frozen=True, slots=True)
class Pending:
    """A message that its row will become."""

    new_message: NewMessage
    relay: str


def pending(builder: MessageBuilder, app_id: str, id_: str) -> Pending | None:
    """Return what the row with this id will become; None where the app has no such row.

    Raises:
        SubmissionRejected: it can't be taken up.
    """
    with builder.database.read() as connection:
        row = _row(connection, app_id, id_)
        if row is None:
            return None
        drafts = read_drafts(connection, [row] if row.size <= builder.limits.max_request_bytes else [])
    try:
        given = draft_in(parse_json(drafts.get(row.handle, b""), what="the draft"))
        return _built(builder, app_id, row, given)
    except Problem as problem:
        if is_final(problem):
            raise _rejected(errors_of(problem)) from None
        raise


def require_taken_up(take_up: TakeUp, app_id: str, id_: str) -> bool:
    """Take up the row with this id now, if the app has it. Returns whether a message became of it.

    Raises:
        SubmissionRejected: it can't be taken up.
        Problem: it can't be taken up now.
    """
    with take_up.builder.database.read() as connection:
        if _row(connection, app_id, id_) is None:
            return False
    group = take_up.take_up(Wanted(id=id_))
    if group.left:
        raise group.left[0][1]
    if group.refused:
        with take_up.builder.database.read() as connection:
            _row(connection, app_id, id_)
    return group.taken > 0


def _row(connection: Connection, app_id: str, id_: str) -> Row | None:
    """The app's row with this id; raises SubmissionRejected where it has errors."""
    of_app = submission.c.app == select(app.c.name).where(app.c.id == app_id).scalar_subquery()
    found = connection.execute(
        select(as_bytes(submission.c.errors, connection.dialect.name).label("errors")).where(
            submission.c.id == id_, of_app
        )
    ).first()
    if found is None:
        return None
    if found.errors is not None:
        raise _rejected(stored_errors(bytes(found.errors)))
    return peek(connection, id_)


def _rejected(errors: list[dict[str, str]]) -> SubmissionRejected:
    return SubmissionRejected(*(FieldError(error["field"], error["detail"]) for error in errors))


def _built(builder: MessageBuilder, app_id: str, row: Row, given: Draft) -> Pending:
    """Build the message, with a relay that may not be usable yet, and without the one that it answers."""
    alone = msgspec.structs.replace(given, in_reply_to=None)
    new_message, relay = builder.preview(app_id, alone, Given(row.id, row.created_at or 0))
    submitted = json.loads(new_message.message["submitted"]) | {"in_reply_to": given.in_reply_to}
    new_message.message["submitted"] = json.dumps(submitted)
    return Pending(new_message, relay)
