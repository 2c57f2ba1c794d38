"""From a row to a message, by the rules of ``POST /v1/messages``."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeGuard

import msgspec
from sqlalchemy import select

from mailsvc import clock
from mailsvc.apps.relay_choice import NoUsableRelay
from mailsvc.domain.draft_json import draft_in
from mailsvc.domain.errors import Conflict, FieldError, Invalid, Malformed, Problem, TooLarge
from mailsvc.domain.ids import is_id
from mailsvc.domain.strict_json import parse_json
from mailsvc.outbox.builder import MessageBuilder
from mailsvc.outbox.message_rows import Given, NewMessage
from mailsvc.outbox.submissions.rows import IS_WAITING, Row
from mailsvc.store.submission_tables import submission

__all__ = ["Checked", "NotYet", "check_row", "errors_of", "is_final"]

MOST_ERRORS, LONGEST_DETAIL = 100, 2000
LONGEST_KEY = 255
EARLIEST = 946_684_800 * clock.SECOND  # 2000: a smaller number is not in microseconds
MOST_AHEAD = clock.DAY


class NotYet(Exception):
    """The row answers a message that is itself not taken up yet."""


class Checked(msgspec.Struct, gc=False):
    """A row that can be stored as a message."""

    row: Row
    new_message: NewMessage
    digest: str  # of the draft's canonical JSON
    key: str | None

    @property
    def id(self) -> str:
        return self.row.id


def check_row(builder: MessageBuilder, app_id: str, row: Row, draft: bytes | None) -> Checked:
    """Build the message of a row.

    Args:
        draft: None where it is too large to be read.

    Raises:
        NotYet: it must wait for another row.
        Problem: as from ``MessageBuilder.build``, and for the row's own columns.
    """
    key = _check_columns(row, now=builder.database.now())
    if draft is None:
        raise TooLarge.request(builder.limits.max_request_bytes)
    value = parse_json(draft, what="the draft")
    given = draft_in(value)
    try:
        new_message = builder.build(app_id, given, Given(row.id, row.created_at or 0))
    except Invalid:
        if given.in_reply_to and _is_waiting(builder, given.in_reply_to):
            raise NotYet(given.in_reply_to) from None
        raise
    return Checked(row, new_message, _digest(value), key)


def errors_of(problem: Problem) -> list[dict[str, str]]:
    """A problem as the column ``errors`` tells it: ``field`` is empty where it concerns the whole."""
    named: Sequence[FieldError] = problem.errors or [FieldError("", problem.detail)]
    return [
        {"field": "" if e.field == "body" else e.field, "detail": e.detail[:LONGEST_DETAIL], "code": problem.code}
        for e in named[:MOST_ERRORS]
    ]


def is_final(error: Exception) -> TypeGuard[Problem]:
    """Whether the row itself must be changed before it can be taken up."""
    return isinstance(error, Invalid | Malformed | TooLarge | Conflict) and not isinstance(error, NoUsableRelay)


def _check_columns(row: Row, *, now: int) -> str | None:
    """Check what stands beside the draft. Returns the idempotency key."""
    errors = []
    if not is_id(row.id, "msg"):
        errors.append(FieldError("id", "must be msg_ and 26 characters of 0-9a-hjkmnp-tv-z (mailsvc.new_message_id())"))
    if row.created_at is None or not EARLIEST <= row.created_at <= now + MOST_AHEAD:
        errors.append(FieldError("created_at", "is not the time in microseconds since 1970; leave it out"))
    key = None
    if row.key is not None:
        try:
            key = row.key.decode()
        except UnicodeDecodeError:
            key = ""
        if not 1 <= len(key) <= LONGEST_KEY or "\0" in key:
            errors.append(FieldError("idempotency_key", f"must have 1 to {LONGEST_KEY} characters of UTF-8, no NUL"))
    if errors:
        raise Invalid(*errors)
    return key


def _is_waiting(builder: MessageBuilder, id_: str) -> bool:
    with builder.database.read() as connection:
        found = connection.execute(select(submission.c.created_at).where(IS_WAITING, submission.c.id == id_)).first()
    return found is not None


def _digest(value: Any) -> str:
    try:
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None
    return hashlib.sha256(canonical.encode()).hexdigest()
