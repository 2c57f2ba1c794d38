"""From the keywords of ``send`` to a row of ``mailsvc_submission``, checked by the rules of ``POST /v1/messages``."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mailsvc import clock
from mailsvc.domain.draft import Limits, Prepared, require_size
from mailsvc.domain.draft_json import draft_in
from mailsvc.domain.errors import FieldError, Invalid, Problem, TooLarge
from mailsvc.domain.fieldtext import body_flaw
from mailsvc.domain.ids import is_id, new_id
from mailsvc.domain.message_form import check
from mailsvc.domain.strict_json import parse_json
from mailsvc.errors import ValidationError, public_error
from mailsvc.mime.compose import compose
from mailsvc.transactional.receipt import Receipt, receipt_of
from mailsvc.transactional.sending.draft import DraftFields, canonical, draft, require_known
from mailsvc.transactional.sending.times import forbid_relative

__all__ = ["MOST_AT_ONCE", "Names", "Submission", "new_message_id", "submission_of", "submissions_of"]

MOST_AT_ONCE = 8000  # rows of one statement: a driver may number its parameters by 15 bits

LONGEST_KEY = 255
# Quoted-printable makes three bytes of one, and a header at most four; fields of our own take less than a kilobyte.
_MOST_GROWTH, _OWN_FIELDS = 4, 4096


@dataclass(frozen=True, slots=True)
class Names:
    """What stands beside the draft in a row."""

    app: str
    id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A row to insert, and what the application is told of it."""

    row: dict[str, str | None]
    receipt: Receipt


def new_message_id() -> str:
    """Return a new id for a message: ``msg_`` and a ULID in lower case."""
    return new_id("msg")


def submission_of(
    message: Mapping[str, Any] | None, fields: Mapping[str, Any], names: Names, limits: Limits
) -> Submission:
    """Check a mail and return its row.

    Args:
        message: the JSON of the API; the keywords go over it.
        fields: the keywords of ``send``.
        limits: of the service that will take it up.

    Raises:
        ValidationError: names every wrong field.
        TooLarge: it is over a limit.
        TypeError, ValueError: a value that can't be turned into a member of a draft.
    """
    require_known("send", fields, DraftFields.__annotations__)
    if message is not None and not isinstance(message, Mapping):
        raise TypeError(f"the message is a mapping, as POST /v1/messages takes it, not {type(message).__name__}")
    if names.idempotency_key is not None:
        forbid_relative({**(message or {}), **fields}, names.idempotency_key)
    members = draft(message, fields)
    now, id_ = clock.now(), names.id or new_message_id()
    try:
        _check_names(names)
        data = _encoded(members, limits)
        prepared = _checked(data, limits, id_, now)
    except Problem as problem:
        raise public_error(problem) from None
    row = {"id": id_, "app": names.app, "draft": data.decode(), "idempotency_key": names.idempotency_key}
    return Submission(row, receipt_of(id_, prepared, now=now))


def submissions_of(messages: Iterable[Mapping[str, Any]], names: Names, limits: Limits) -> list[Submission]:
    """Check mails and return their rows.

    Raises as ``submission_of``, with the errors of every mail; ValueError for more than one statement can hold.
    """
    found: list[Submission] = []
    errors: list[FieldError] = []
    for place, message in enumerate(messages):
        if place == MOST_AT_ONCE:
            raise ValueError(f"one statement holds at most {MOST_AT_ONCE} mails: send them in several calls")
        try:
            found.append(submission_of(message, {}, names, limits))
        except ValidationError as error:
            errors += [FieldError(f"messages.{place}.{e.field}".strip("."), e.detail) for e in error.errors]
    if errors:
        raise ValidationError(errors)
    return found


def _check_names(names: Names) -> None:
    errors = []
    if not names.app or body_flaw(names.app):
        errors.append(FieldError("app", "must be the name of an app"))
    if names.id is not None and not is_id(names.id, "msg"):
        errors.append(FieldError("id", "must be msg_ and 26 characters of 0-9a-hjkmnp-tv-z (mailsvc.new_message_id())"))
    key = names.idempotency_key
    if key is not None and (not 1 <= len(key) <= LONGEST_KEY or body_flaw(key)):
        errors.append(FieldError("idempotency_key", f"must have 1 to {LONGEST_KEY} characters, no NUL"))
    if errors:
        raise Invalid(*errors)


def _encoded(members: dict[str, Any], limits: Limits) -> bytes:
    try:
        data = canonical(members)
    except UnicodeEncodeError:
        # Half a surrogate pair: JSON's escapes carry it to the check, which names the field.
        check(draft_in(json.loads(json.dumps(members))), limits=limits, now=clock.now())
        raise
    if len(data) > limits.max_request_bytes:
        raise TooLarge.request(limits.max_request_bytes)
    return data


def _checked(data: bytes, limits: Limits, id_: str, now: int) -> Prepared:
    """Check the JSON itself, not what it was made of: it is what the service will read."""
    prepared = check(draft_in(parse_json(data, what="the draft")), limits=limits, now=now)
    if len(data) * _MOST_GROWTH + _OWN_FIELDS > limits.max_message_bytes:
        content = compose(prepared, message_id=f"<{id_[4:]}@{prepared.sender.domain}>", date=now, boundary_seed=id_[4:])
        require_size(len(content), limits)
    return prepared
