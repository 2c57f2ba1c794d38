"""Expiry: ends deliveries that have waited longer than their message allows."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, select

from mailsvc.domain.lifecycle import Change, Status
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.record import record
from mailsvc.store.tables import delivery, relay

__all__ = ["expire", "expire_due", "expired"]


def expire_due(connection: Connection, *, now: int, limit: int) -> int:
    """Expire due deliveries. Returns how many were due."""
    return expire(connection, ids=expired(connection, now=now, limit=limit), now=now)


def expired(connection: Connection, *, now: int, limit: int, besides: Collection[str] = ()) -> list[str]:
    """The ids of deliveries that are due to expire, the oldest first."""
    query = select(delivery.c.id).where(_is_over(now)).order_by(delivery.c.expires_at)
    if besides:
        query = query.where(delivery.c.id.not_in(besides))
    return list(connection.execute(query.limit(limit)).scalars())


def expire(connection: Connection, *, ids: Collection[str], now: int) -> int:
    """Expire those of the deliveries that are still due to. Returns how many."""
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
    """The trouble of those relays that are backing off."""
    failing = relay.c.id.in_(relay_ids) & relay.c.retry_at.is_not(None)
    return {row.id: row.last_smtp for row in connection.execute(select(relay.c.id, relay.c.last_smtp).where(failing))}
