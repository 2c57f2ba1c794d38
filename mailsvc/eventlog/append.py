"""Appends events and, in the same transaction, queues them for the webhooks that subscribed to them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, func, select

from mailsvc import clock
from mailsvc.domain import events
from mailsvc.domain.ids import new_id
from mailsvc.store.bulk import Document, Statement, among, carry_out, insertion, listed
from mailsvc.store.database import commits_in_turn
from mailsvc.store.tables import event, webhook, webhook_delivery

__all__ = ["NewEvent", "append_events", "enqueue_for_webhooks", "prepare_events"]


class NewEvent(msgspec.Struct, gc=False):
    """An event to be appended."""

    app_id: str
    type: str
    data: dict[str, Any]
    message_id: str | None = None
    delivery_id: str | None = None
    mailbox_id: str | None = None  # of ``inbound.*``
    sequence: int | None = None  # within the message or mailbox; None continues after its last event
    id: str = msgspec.field(default_factory=lambda: new_id("evt"))


_encode = msgspec.json.Encoder().encode


def append_events(connection: Connection, new: Sequence[NewEvent], *, now: int) -> None:
    """Append the events in the order given, and queue them for every webhook that subscribed to them."""
    if not new:
        return
    carry_out(connection, commits_in_turn(connection.dialect.name))
    _set_sequences(connection, new)
    carry_out(connection, prepare_events(connection, new, now=now))


def prepare_events(connection: Connection, new: Sequence[NewEvent], *, now: int) -> list[Statement]:
    """The statements that append these events, each with its sequence set. Run ``commits_in_turn`` before them."""
    timestamp, dialect = clock.rfc3339(now), connection.dialect.name
    events_ = insertion(dialect, event, [_event_row(item, now, timestamp) for item in new])
    return events_ + insertion(dialect, webhook_delivery, _fan_out(connection, new, now))


def _set_sequences(connection: Connection, new: Sequence[NewEvent]) -> None:
    unnumbered = [item for item in new if item.sequence is None]
    for subject, last_sequences in _LAST_SEQUENCES.items():
        _number(connection, last_sequences, [(id_, item) for item in unnumbered if (id_ := getattr(item, subject))])


def _number(connection: Connection, last_sequences: "Document[_Last]", new: Sequence[tuple[str, NewEvent]]) -> None:
    # In the order of the events, which is mostly the order of the index.
    wanted = dict.fromkeys(id_ for id_, _ in new)
    if not wanted:
        return
    last = {row.id: row.sequence for row in last_sequences.read(connection, ids=listed(wanted))}
    for id_, item in new:
        item.sequence = last[id_] = last.get(id_, 0) + 1


class _Last(msgspec.Struct, array_like=True, gc=False):
    id: str
    sequence: int


def _last_sequences(column: Column[Any]) -> Document[_Last]:
    last = select(column, func.max(event.c.sequence).label("sequence")).where(among(column, "ids")).group_by(column)
    return Document(last, _Last, prepare=False)


# An event counts in one of them.
_LAST_SEQUENCES = {
    "message_id": _last_sequences(event.c.message_id),
    "mailbox_id": _last_sequences(event.c.mailbox_id),
}


def _event_row(item: NewEvent, now: int, timestamp: str) -> dict[str, Any]:
    payload = {
        "id": item.id,
        "type": item.type,
        "timestamp": timestamp,
        "sequence": item.sequence,
        "data": item.data,
    }
    return {
        "id": item.id,
        "app_id": item.app_id,
        "type": item.type,
        "message_id": item.message_id,
        "delivery_id": item.delivery_id,
        "mailbox_id": item.mailbox_id,
        "sequence": item.sequence,
        "created_at": now,
        "body": _encode(payload).decode(),
    }


class _Subscription(msgspec.Struct, array_like=True, gc=False):
    webhook_id: str
    app_id: str
    events: str


_SUBSCRIPTIONS = Document(
    select(webhook.c.id, webhook.c.app_id, webhook.c.events).where(among(webhook.c.app_id, "apps"), webhook.c.enabled),
    _Subscription,
)


def _fan_out(connection: Connection, new: Sequence[NewEvent], now: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    types = {item.type for item in new}
    for hook in _SUBSCRIPTIONS.read(connection, apps=listed({item.app_id for item in new})):
        patterns = tuple(json.loads(hook.events))
        subscribed = {type_ for type_ in types if events.matches(patterns, type_)}
        wanted = [item.id for item in new if item.app_id == hook.app_id and item.type in subscribed]
        rows += _rows_for(hook.webhook_id, wanted, now)
    return rows


def enqueue_for_webhooks(connection: Connection, webhook_id: str, event_ids: Iterable[str], *, now: int) -> None:
    """Queue events for one webhook, due at once."""
    rows = _rows_for(webhook_id, event_ids, now)
    carry_out(connection, insertion(connection.dialect.name, webhook_delivery, rows))


def _rows_for(webhook_id: str, event_ids: Iterable[str], now: int) -> list[dict[str, Any]]:
    common = {
        "webhook_id": webhook_id,
        "status": "queued",
        "due_at": now,
        "attempts": 0,
        "lease_token": 0,
        "created_at": now,
        "updated_at": now,
    }
    return [{"event_id": id_, **common} for id_ in event_ids]
