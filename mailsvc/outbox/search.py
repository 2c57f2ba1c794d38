"""Searching messages: conditions for the database, and checks of the rows that it finds."""

import json
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from mailsvc.domain.address import parse_mailbox
from mailsvc.domain.jsontext import compact
from mailsvc.domain.lifecycle import ATTENTION, FINAL, PARTIAL, Status
from mailsvc.store.tables import delivery, message, recipient

__all__ = ["Filter", "canonical", "conditions", "fits"]


@dataclass(frozen=True, slots=True)
class Filter:
    """The filters of a list of messages; several values of one filter mean any of them."""

    status: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    metadata: dict[str, tuple[str, ...]] = field(default_factory=dict)
    text: tuple[str, ...] = ()


def canonical(address: str) -> str:
    """The address in the spelling in which addresses are stored."""
    try:
        return parse_mailbox(address).addr
    except ValueError:
        return address


def conditions(app_id: str, wanted: Filter) -> list[ColumnElement[bool]]:
    """The conditions that the database checks. LIKE ignores case and may match too much: see ``fits``."""
    found = [
        _any(wanted.tag, lambda tag: _contains(message.c.tags, compact(tag))),
        _any(wanted.sender, lambda text: _says(message.c.sender, text)),
        _any(wanted.text, _mentions),
        _any(wanted.status, _has_status),
        *(
            _any(values, lambda value, k=key: _contains(message.c.metadata, f"{compact(k)}:{compact(value)}"))
            for key, values in wanted.metadata.items()
        ),
    ]
    if wanted.recipient:
        chosen = recipient.c.address.in_({canonical(r).lower() for r in wanted.recipient})
        found.append(message.c.id.in_(select(recipient.c.message_id).where(recipient.c.app_id == app_id, chosen)))
    if wanted.since is not None:
        found.append(message.c.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(message.c.created_at < wanted.until)
    return [condition for condition in found if condition is not None]


def _any(values: tuple[str, ...], condition: Any) -> Any:
    return or_(*(condition(value) for value in values)) if values else None


def _contains(column: Any, fragment: str) -> ColumnElement[bool]:
    """Whether a column of compact JSON contains this fragment."""
    found: ColumnElement[bool] = column.contains(fragment, autoescape=True)
    return found


def _says(column: Any, text: str) -> ColumnElement[bool]:
    # SQLite's lower() handles ASCII only: text in exactly this spelling must be found there, too.
    return or_(_contains(func.lower(column), text.lower()), _contains(column, text))


def _mentions(text: str) -> ColumnElement[bool]:
    return or_(
        _says(message.c.subject, text),
        _says(message.c.submitted, compact(text)[1:-1]),
        message.c.message_id == text,
        message.c.id == text,
    )


def _has_status(status: str) -> ColumnElement[bool]:
    """Whether ``lifecycle.message_status`` of the deliveries is this status."""
    if status == PARTIAL:
        return and_(~_has_delivery(delivery.c.status.not_in(FINAL)), ~_all_alike())
    if status in FINAL:
        return and_(_has_delivery(delivery.c.status == status), ~_has_delivery(delivery.c.status != status))
    earlier = ATTENTION[: ATTENTION.index(Status(status))]
    return and_(_has_delivery(delivery.c.status == status), ~_has_delivery(delivery.c.status.in_(earlier)))


def _all_alike() -> ColumnElement[bool]:
    span = select(func.min(delivery.c.status) == func.max(delivery.c.status)).where(
        delivery.c.message_id == message.c.id
    )
    return span.scalar_subquery()


def _has_delivery(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(and_(delivery.c.message_id == message.c.id, condition))


def fits(row: Any, wanted: Filter) -> bool:
    """Whether a row that the database found really matches."""
    return (
        (not wanted.tag or not set(wanted.tag).isdisjoint(json.loads(row.tags)))
        and (not wanted.metadata or _has_metadata(json.loads(row.metadata), wanted))
        and (not wanted.text or any(_is_mentioned(text.casefold(), row) for text in wanted.text))
    )


def _has_metadata(metadata: dict[str, str], wanted: Filter) -> bool:
    return all(metadata.get(key) in values for key, values in wanted.metadata.items())


def _is_mentioned(text: str, row: Any) -> bool:
    """In the subject, an address or a name, an id; not in the names of members or elsewhere in what was submitted."""
    submitted = json.loads(row.submitted)
    addresses = chain(*(submitted[member] for member in ("to", "cc", "bcc", "reply_to")))
    said = (row.subject or "", row.sender, row.id, row.message_id, *addresses)
    return any(text in words.casefold() for words in said)
