"""Expiry: deliveries that have waited for longer than their message allows are ended, whatever they waited for."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, select

from mailsvc.domain.lifecycle import Change, Status
from mailsvc.outcomes.record import Outcome, record
from mailsvc.store.tables import delivery, relay

__all__ = ["expire", "expire_due", "expired"]


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
