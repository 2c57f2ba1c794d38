"""What people do to waiting deliveries: cancel, retry, hold, release, reschedule, expire."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from mailsvc import clock
from mailsvc.apps.suppressions import read_suppressions
from mailsvc.domain.errors import Conflict
from mailsvc.domain.jsontext import compact
from mailsvc.domain.lifecycle import Change, Status
from mailsvc.outbox.build import HEAD_START, PRIORITIES
from mailsvc.outcomes.record import Outcome, record
from mailsvc.store.tables import delivery, message, relay

__all__ = ["Amendment", "amend", "expire", "expire_due", "expired", "steer"]

_SPARED = 'its recipient is on the suppression list; send {"force": true} to try it all the same'
_REFUSAL = {
    Change.CANCEL: "can't be canceled any more",
    Change.HOLD: "can't be held any more",
    Change.RELEASE: "is not held",
    Change.RETRY: "can't be tried again",
}


def steer(
    connection: Connection, message_id: str, change: Change, *, now: int, force: bool = False
) -> list[dict[str, Any]]:
    """Apply a change to every delivery of a message that allows it.

    Args:
        force: retry also the recipients that are on the suppression list.

    Returns:
        One entry a delivery: ``{"id", "recipient", "status", "changed", "detail"}``.

    Raises:
        Conflict: not one delivery allows it.
    """
    spared: set[str] = set()
    if change is Change.RETRY:
        spared = _spared(connection, message_id, force=force)
        _begin_anew(connection, message_id, now)
    due_at = _due_at(connection, message_id, change, now)
    step = Change.POSTPONE if change is Change.RELEASE and due_at and due_at > now else change
    outcomes = [Outcome(id_, step, due_at=due_at) for id_ in _ids(connection, message_id) if id_ not in spared]
    changed = record(connection, outcomes, now=now)
    answer = []
    for row in connection.execute(select(delivery).where(delivery.c.message_id == message_id).order_by(delivery.c.id)):
        done = row.id in changed
        detail = None if done else _SPARED if row.id in spared else _explain(change, row.status)
        answer.append(
            {
                "id": row.id,
                "recipient": row.recipient,
                "status": row.status,
                "changed": done,
                "detail": detail,
            }
        )
    if not changed:
        raise Conflict(
            "; ".join(sorted({entry["detail"] for entry in answer if entry["detail"]})) or "nothing to change"
        )
    return answer


def _spared(connection: Connection, message_id: str, *, force: bool) -> set[str]:
    """The deliveries whose recipient is suppressed; with force none, and they are marked so that claims take them."""
    tags = json.loads(connection.execute(select(message.c.tags).where(message.c.id == message_id)).scalar_one())
    rows = list(connection.execute(select(delivery).where(delivery.c.message_id == message_id)))
    listed = read_suppressions(connection, ((row.app_id, row.recipient) for row in rows))
    found = {row.id for row in rows if not row.forced and listed.covers(row.app_id, row.recipient, tags)}
    if not force:
        return found
    connection.execute(update(delivery).where(delivery.c.id.in_(found)).values(forced=True))
    return set()


def _explain(change: Change, status: str) -> str:
    if status == Status.SENDING:
        return "a delivery that is being sent can't be recalled; see what becomes of it in a moment"
    return f"a delivery that is {status} {_REFUSAL[change]}"


def _ids(connection: Connection, message_id: str) -> list[str]:
    return list(connection.execute(select(delivery.c.id).where(delivery.c.message_id == message_id)).scalars())


def _due_at(connection: Connection, message_id: str, change: Change, now: int) -> int | None:
    if change is Change.RELEASE:
        scheduled_at = connection.execute(select(message.c.scheduled_at).where(message.c.id == message_id)).scalar()
        return max(now, scheduled_at or now)  # held and let go again, it still is not sent before its time
    return now if change is Change.RETRY else None


def _begin_anew(connection: Connection, message_id: str, now: int) -> None:
    """A message that is to be tried now waits for no other time, and one that had expired gets again what it was once given."""
    facts = connection.execute(select(message).where(message.c.id == message_id)).one()
    values: dict[str, Any] = {}
    if facts.scheduled_at is not None and facts.scheduled_at > now:
        values["scheduled_at"] = None
    if facts.expires_at <= now:
        values["expires_at"] = now + _span(facts) * clock.SECOND
    if values:
        connection.execute(update(message).where(message.c.id == message_id).values(**values))


def _span(facts: Any) -> int:
    """The seconds that the message was given, whenever they began."""
    return int(json.loads(facts.submitted)["expires_in"])


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a PATCH of a message may change while nothing of it was sent; None leaves a thing as it is."""

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
    given = _span(facts)
    began: int = facts.expires_at - given * clock.SECOND
    if wanted.unschedule:
        # Counted from its acceptance it might have expired while it waited for the time that it was given at first.
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


def expire_due(connection: Connection, *, now: int, limit: int) -> int:
    """End what has waited for longer than its message allows, whatever it waited for. Returns how many rows were due."""
    return expire(connection, ids=expired(connection, now=now, limit=limit), now=now)


def expired(connection: Connection, *, now: int, limit: int, besides: Collection[str] = ()) -> list[str]:
    """The deliveries that have waited for longer than their message allows, the longest first."""
    query = select(delivery.c.id).where(_is_over(now)).order_by(delivery.c.expires_at)
    if besides:
        query = query.where(delivery.c.id.not_in(besides))
    return list(connection.execute(query.limit(limit)).scalars())


def expire(connection: Connection, *, ids: Collection[str], now: int) -> int:
    """End those of them that are over still. Returns how many."""
    own = delivery.c.id.in_(ids) & _is_over(now)
    rows = connection.execute(select(delivery.c.id, delivery.c.relay_id).where(own)).all()
    if rows:
        kept_by = _trouble_of(connection, {row.relay_id for row in rows})
        outcomes = [Outcome(row.id, Change.EXPIRE, why="expired", kept_by=kept_by.get(row.relay_id)) for row in rows]
        record(connection, outcomes, now=now)
    return len(rows)


def _is_over(now: int) -> ColumnElement[bool]:
    return (delivery.c.expires_at <= now) & (delivery.c.status != Status.SENDING.value)


def _trouble_of(connection: Connection, relay_ids: set[str]) -> dict[str, str | None]:
    """What keeps everything waiting that goes by these relays, where they are left alone for it."""
    failing = relay.c.id.in_(relay_ids) & relay.c.retry_at.is_not(None)
    return {row.id: row.last_smtp for row in connection.execute(select(relay.c.id, relay.c.last_smtp).where(failing))}
