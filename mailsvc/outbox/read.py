"""Messages as they are shown: one query for a page of messages, one for their deliveries."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select

from mailsvc import clock
from mailsvc.domain.lifecycle import Status, message_status
from mailsvc.outbox.consign import PRIORITIES, compact
from mailsvc.store.tables import attempt, body, delivery, event, message, relay

__all__ = ["Filter", "attempts_of", "content", "events_of", "find", "message_objects", "page"]

_PRIORITY_NAMES = {number: name for name, number in PRIORITIES.items()}
_TRIED_AGAIN = frozenset({Status.QUEUED.value, Status.SCHEDULED.value, Status.DEFERRED.value})


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of messages is narrowed to; several values of one kind mean any of them."""

    status: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    metadata: dict[str, tuple[str, ...]] = field(default_factory=dict)
    text: tuple[str, ...] = ()


def find(connection: Connection, app_id: str, id_: str) -> Row[Any] | None:
    """One message's row, if it is this app's."""
    return connection.execute(_messages().where(message.c.app_id == app_id, message.c.id == id_)).first()


def page(
    connection: Connection, app_id: str, wanted: Filter, *, before: str | None, limit: int
) -> list[dict[str, Any]]:
    """At most ``limit`` messages, newest first, beginning below the id ``before``."""
    found: list[dict[str, Any]] = []
    conditions = [message.c.app_id == app_id, *_conditions(wanted)]
    while len(found) < limit:
        below = [message.c.id < before] if before is not None else []
        rows = connection.execute(
            _messages().where(*conditions, *below).order_by(message.c.id.desc()).limit(limit)
        ).all()
        shown = message_objects(connection, rows)
        found += [m for m in shown if not wanted.status or m["status"] in wanted.status]
        if len(rows) < limit:
            break
        before = rows[-1].id
    return found[:limit]


def message_objects(connection: Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The objects of these messages, with their deliveries."""
    if not rows:
        return []
    by_message: dict[str, list[Any]] = defaultdict(list)
    chosen = delivery.c.message_id.in_([row.id for row in rows])
    for row in connection.execute(select(delivery).where(chosen).order_by(delivery.c.id)):
        by_message[row.message_id].append(row)
    return [_message_object(row, by_message[row.id]) for row in rows]


def content(connection: Connection, message_id: str) -> bytes | None:
    """The frozen wire bytes."""
    found = connection.execute(select(body.c.content).where(body.c.message_id == message_id)).scalar()
    return bytes(found) if found is not None else None


def attempts_of(connection: Connection, message_id: str) -> list[dict[str, Any]]:
    """Every attempt at every delivery of a message, oldest first."""
    columns = (attempt, relay.c.name.label("relay_name"))
    rows = connection.execute(
        select(*columns)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .outerjoin(relay, relay.c.id == attempt.c.relay_id)
        .where(delivery.c.message_id == message_id)
        .order_by(attempt.c.started_at, attempt.c.delivery_id, attempt.c.number)
    )
    return [_attempt_object(row) for row in rows]


def events_of(connection: Connection, message_id: str, *, after: str | None, limit: int) -> tuple[list[str], str, bool]:
    """A message's events as they were frozen, the id of the last one, and whether there are more."""
    condition = event.c.message_id == message_id
    if after is not None:
        begin = select(event.c.sequence).where(event.c.id == after, event.c.message_id == message_id).scalar_subquery()
        condition &= event.c.sequence > begin
    rows = connection.execute(
        select(event.c.id, event.c.body).where(condition).order_by(event.c.sequence).limit(limit + 1)
    ).all()
    shown = rows[:limit]
    return [row.body for row in shown], shown[-1].id if shown else "", len(rows) > limit


def _messages() -> Any:
    return select(message, relay.c.name.label("relay_name")).outerjoin(relay, relay.c.id == message.c.relay_id)


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions = [
        _any(wanted.tag, lambda tag: _contains(message.c.tags, compact(tag))),
        _any(wanted.sender, lambda text: func.lower(message.c.sender).contains(text.lower(), autoescape=True)),
        _any(wanted.text, _mentions),
        *(
            _any(values, lambda value, k=key: _contains(message.c.metadata, f"{compact(k)}:{compact(value)}"))
            for key, values in wanted.metadata.items()
        ),
    ]
    if wanted.recipient:
        addresses = list({*wanted.recipient, *(r.lower() for r in wanted.recipient)})
        conditions.append(_has_delivery(delivery.c.recipient.in_(addresses)))
    real = [s for s in wanted.status if s != "partial"]
    if real and len(real) == len(wanted.status):
        conditions.append(_has_delivery(delivery.c.status.in_(real)))
    if wanted.since is not None:
        conditions.append(message.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(message.c.created_at < wanted.until)
    return [c for c in conditions if c is not None]


def _any(values: tuple[str, ...], condition: Any) -> Any:
    return or_(*(condition(value) for value in values)) if values else None


def _contains(column: Any, fragment: str) -> ColumnElement[bool]:
    """The column holds compact JSON, so that a name or a pair has one spelling only."""
    found: ColumnElement[bool] = column.contains(fragment, autoescape=True)
    return found


def _mentions(text: str) -> ColumnElement[bool]:
    return or_(
        func.lower(message.c.subject).contains(text.lower(), autoescape=True),
        func.lower(message.c.submitted).contains(text.lower(), autoescape=True),
        message.c.message_id == text,
        message.c.id == text,
    )


def _has_delivery(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(and_(delivery.c.message_id == message.c.id, condition))


def _message_object(row: Any, deliveries: list[Any]) -> dict[str, Any]:
    submitted = json.loads(row.submitted)
    return {
        "id": row.id,
        "message_id": row.message_id,
        "status": message_status({d.status for d in deliveries}) if deliveries else "partial",
        "created_at": clock.rfc3339(row.created_at),
        "from": submitted["from"],
        "to": submitted["to"],
        "cc": submitted["cc"],
        "bcc": submitted["bcc"],
        "reply_to": submitted["reply_to"],
        "subject": row.subject,
        "headers": submitted["headers"],
        "attachments": submitted["attachments"],
        "tags": json.loads(row.tags),
        "metadata": json.loads(row.metadata),
        "scheduled_at": clock.rfc3339(row.scheduled_at) if row.scheduled_at else None,
        "expires_in": (row.expires_at - (row.scheduled_at or row.created_at) + clock.SECOND // 2) // clock.SECOND,
        "priority": _PRIORITY_NAMES[row.priority],
        "relay": row.relay_name or row.relay_id,
        "on_uncertain": row.on_uncertain,
        "delivery_receipt": bool(row.delivery_receipt),
        "in_reply_to": submitted["in_reply_to"],
        "template": None,
        "variables": {},
        "size": row.size,
        "deliveries": [_delivery_object(d) for d in deliveries],
    }


def _delivery_object(row: Any) -> dict[str, Any]:
    due_at = row.due_at if row.status in _TRIED_AGAIN else None
    return {
        "id": row.id,
        "recipient": row.recipient,
        "kind": row.kind,
        "status": row.status,
        "attempts": row.attempts,
        "next_attempt_at": clock.rfc3339(max(due_at, row.created_at)) if due_at is not None else None,
        "last_smtp": json.loads(row.last_smtp) if row.last_smtp else None,
        "updated_at": clock.rfc3339(row.updated_at),
    }


def _attempt_object(row: Any) -> dict[str, Any]:
    return {
        "id": f"att_{row.delivery_id.removeprefix('dlv_')}_{row.number}",
        "delivery_id": row.delivery_id,
        "number": row.number,
        "started_at": clock.rfc3339(row.started_at),
        "duration_ms": round(row.duration_ms, 3),
        "stage": row.stage,
        "code": row.code,
        "enhanced_code": row.enhanced_code,
        "text": row.text,
        "relay": row.relay_name or row.relay_id,
        "host": row.host,
        "tls": json.loads(row.tls) if row.tls else None,
        "outcome": row.outcome,
    }
