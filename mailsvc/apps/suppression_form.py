"""The suppression object as applications send and receive it."""

from typing import Any, Literal

import msgspec

from mailsvc import clock
from mailsvc.domain.address import parse_mailbox
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.fieldtext import field_flaw
from mailsvc.domain.ids import is_id

__all__ = ["NewSuppression", "Reason", "check_note", "checked_address", "shown_suppression"]

Reason = Literal["manual", "hard_bounce", "complaint", "unsubscribe"]
MAX_TAG, MAX_NOTE = 100, 1000


class NewSuppression(msgspec.Struct, forbid_unknown_fields=True):
    """An address that must not be mailed, and the reason; with a tag, only messages with that tag are suppressed."""

    address: str
    reason: Reason = "manual"
    tag: str | None = None
    note: str | None = None
    event_id: str | None = None


def checked_address(wanted: NewSuppression) -> str:
    """Return the address in its stored form. Raises Invalid for the first wrong field."""
    _check_text("tag", wanted.tag, MAX_TAG)
    check_note(wanted.note)
    if wanted.event_id is not None and not is_id(wanted.event_id, "evt"):
        raise Invalid(FieldError("event_id", "is not the id of an event"))
    try:
        return parse_mailbox(wanted.address).addr
    except ValueError as error:
        raise Invalid(FieldError("address", str(error))) from None


def check_note(note: str | None) -> None:
    """Raises Invalid for a note that can't be stored."""
    _check_text("note", note, MAX_NOTE)


def shown_suppression(row: Any) -> dict[str, Any]:
    """Return a suppression as the API and events show it."""
    return {
        "id": row.id,
        "address": row.address,
        "reason": row.reason,
        "tag": row.tag or None,
        "note": row.note,
        "event_id": row.event_id,
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }


def _check_text(field: str, text: str | None, most: int) -> None:
    if text is None:
        return
    if len(text) > most:
        raise Invalid(FieldError(field, f"must have at most {most} characters"))
    if flaw := field_flaw(text):
        raise Invalid(FieldError(field, flaw))
