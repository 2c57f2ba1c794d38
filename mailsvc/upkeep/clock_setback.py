"""Repairs due times that are too far in the future because the clock was set back between two runs.

A running process's clock never goes back, but what was written before the start may lie ahead by the size of the step.
"""

from sqlalchemy import Connection, exists, or_, select, update

from mailsvc import clock
from mailsvc.apps.relay_state import retry_early
from mailsvc.domain.lifecycle import Status
from mailsvc.store.tables import delivery, message, webhook_delivery
from mailsvc.telemetry import facts, log

__all__ = ["pull_in"]

# Beyond the longest wait of each kind, including its jitter.
QUEUED, DEFERRED, LEASED = clock.MINUTE, 5 * clock.HOUR, clock.DAY
WEBHOOK, BREAKER = 27 * clock.HOUR, 10 * clock.MINUTE


def pull_in(connection: Connection, *, now: int) -> int:
    """Make rows due now that would wait longer than any rule allows. Reads all unfinished rows. Returns how many."""
    # Scheduled messages keep their time.
    appointed = exists(select(message.c.id).where(message.c.id == delivery.c.message_id, message.c.scheduled_at > now))
    too_far = or_(
        (delivery.c.status == Status.QUEUED.value) & (delivery.c.due_at > now + QUEUED),
        (delivery.c.status == Status.DEFERRED.value) & (delivery.c.due_at > now + DEFERRED),
        (delivery.c.status == Status.SENDING.value) & (delivery.c.due_at > now + LEASED),
    )
    statements = (
        update(delivery).where(delivery.c.due_at.is_not(None), too_far, ~appointed).values(due_at=now),
        update(webhook_delivery).where(webhook_delivery.c.due_at > now + WEBHOOK).values(due_at=now),
    )
    pulled = sum(connection.execute(statement).rowcount for statement in statements)
    pulled += retry_early(connection, after=now + BREAKER, now=now)
    if pulled:
        log.warning("the clock was set back: what would have waited for it is due now", extra=facts(rows=pulled))
    return pulled
