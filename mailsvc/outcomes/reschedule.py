"""Changes a message's scheduled time, expiry or priority while nothing of it was sent."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from mailsvc import clock
from mailsvc.domain.errors import Conflict
from mailsvc.domain.jsontext import compact
from mailsvc.domain.lifecycle import Status
from mailsvc.outbox.message_rows import HEAD_START, PRIORITIES
from mailsvc.store.tables import delivery, message

__all__ = ["Amendment", "amend", "span_of"]


@dataclass(frozen=True, slots=True)
class Amendment:
    """The changes of a PATCH; None leaves a value unchanged."""

    scheduled_at: int | None = None
    unschedule: bool = False
    expires_in: int | None = None  # seconds
    priority: str | None = None


_UNTOUCHED = (
    Status.SCHEDULED.value,
    Status.QUEUED.value,
    Status.DEFERRED.value,
    Status.HELD.value,
    Status.SUPPRESSED.value,
)


def amend(connection: Connection, message_id: str, wanted: Amendment, *, now: int) -> None:
    """Reschedule a message, or change its expiry or priority.

    Raises:
        Conflict: some of it was sent, is being sent, or has ended.
    """
    rows = list(connection.execute(select(delivery).where(delivery.c.message_id == message_id).with_for_update()))
    stuck = sorted({r.status for r in rows if r.status not in _UNTOUCHED})
    if stuck or all(r.status == Status.SUPPRESSED for r in rows):
        raise Conflict(f"the message can't be changed any more: a delivery is {', '.join(stuck) or 'suppressed'}")
    facts = connection.execute(select(message).where(message.c.id == message_id)).one()
    scheduled_at = None if wanted.unschedule else (wanted.scheduled_at or facts.scheduled_at)
    priority = facts.priority if wanted.priority is None else PRIORITIES[wanted.priority]
    expires_at = _expires_at(facts, wanted, scheduled_at, now)
    changed = {
        "scheduled_at": scheduled_at,
        "priority": priority,
        "expires_at": expires_at,
    }
    if wanted.expires_in is not None:
        changed["submitted"] = compact(json.loads(facts.submitted) | {"expires_in": wanted.expires_in})
    connection.execute(update(message).where(message.c.id == message_id).values(**changed))
    name = next(name for name, number in PRIORITIES.items() if number == priority)
    waits_until = scheduled_at if scheduled_at is not None and scheduled_at > now else None
    _move(connection, rows, waits_until, expires_at, now - HEAD_START[name], now)


def _expires_at(facts: Any, wanted: Amendment, scheduled_at: int | None, now: int) -> int:
    given = span_of(facts)
    began: int = facts.expires_at - given * clock.SECOND
    if wanted.unschedule:
        # Counted from its acceptance, it could have expired while it waited for its original time.
        began = min(began, now)
    elif scheduled_at is not None:
        began = scheduled_at
    return began + (given if wanted.expires_in is None else wanted.expires_in) * clock.SECOND


def _move(
    connection: Connection,
    rows: list[Any],
    scheduled_at: int | None,
    expires_at: int,
    at_once: int,
    now: int,
) -> None:
    for row in rows:
        if row.status == Status.SUPPRESSED:
            continue
        values: dict[str, Any] = {"expires_at": expires_at, "updated_at": now}
        if row.status in (Status.SCHEDULED, Status.QUEUED):
            status = Status.SCHEDULED if scheduled_at else Status.QUEUED
            values |= {"status": status.value, "due_at": scheduled_at or at_once}
        elif row.status == Status.DEFERRED and scheduled_at:
            values |= {"due_at": scheduled_at}
        connection.execute(update(delivery).where(delivery.c.id == row.id).values(**values))


def span_of(facts: Any) -> int:
    """The message's lifetime in seconds."""
    return int(json.loads(facts.submitted)["expires_in"])
