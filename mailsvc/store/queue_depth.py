"""The depth and age of the queue, at a cost that does not depend on finished rows."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from mailsvc import clock
from mailsvc.store.leases import DELIVERIES, due_lanes
from mailsvc.store.tables import delivery, event, webhook_delivery

__all__ = ["QueueFigures", "look_at_queue"]

MOST_LANES = 10_000
LOOKED_AT = 100  # rows at the head of the queue that are searched for the longest wait


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The depth and age of the queue."""

    due: int
    later: int
    held: int
    oldest_age: float  # seconds
    webhooks: int
    events: int


def look_at_queue(connection: Connection, now: int) -> QueueFigures:
    """The queue at this instant; each count is answered by one partial index alone."""
    waiting, count = delivery.c.due_at.is_not(None), select(func.count()).select_from
    unfinished = connection.execute(count(delivery).where(delivery.c.expires_at.is_not(None))).scalar_one()
    all_waiting = connection.execute(count(delivery).where(waiting)).scalar_one()
    due = connection.execute(count(delivery).where(waiting, delivery.c.due_at <= now)).scalar_one()
    webhooks = connection.execute(count(webhook_delivery).where(webhook_delivery.c.due_at.is_not(None))).scalar_one()
    return QueueFigures(
        due=due,
        later=all_waiting - due,
        held=max(0, unfinished - all_waiting),
        oldest_age=_oldest_age(connection, now) if due else 0.0,
        webhooks=webhooks,
        events=connection.execute(select(func.max(event.c.position))).scalar_one() or 0,
    )


def _oldest_age(connection: Connection, now: int) -> float:
    """The seconds for which the oldest due delivery has waited."""
    lanes = due_lanes(connection, DELIVERIES, after="", limit=MOST_LANES)
    leading = min(lanes, key=lambda lane: lane[1], default=("", 0))[0]
    rows = connection.execute(
        select(delivery.c.due_at, delivery.c.created_at)
        .where(delivery.c.relay_id == leading, delivery.c.due_at.is_not(None))
        .order_by(delivery.c.due_at)
        .limit(LOOKED_AT)
    )
    # A due time is before the acceptance if the priority gave a head start.
    longest: int = max((now - max(row.due_at, row.created_at) for row in rows), default=0)
    return max(0, longest) / clock.SECOND
