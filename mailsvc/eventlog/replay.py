"""Replay: queues events that are still kept once more for one webhook, under the same webhook-id."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, text

from mailsvc import clock
from mailsvc.domain import events
from mailsvc.domain.errors import NotFound
from mailsvc.store.database import Database
from mailsvc.store.tables import event

__all__ = ["Span", "queue_again", "replay_event", "replay_span"]

CHUNK = 1000
# Positions follow the order of commits, but times the clocks of several hosts: search a little beyond both ends.
MARGIN = clock.MINUTE


@dataclass(frozen=True, slots=True)
class Span:
    """Events of one app from ``since`` to before ``until`` (microseconds) that one of the patterns covers."""

    app_id: str
    since: int
    until: int
    patterns: tuple[str, ...]


def replay_event(database: Database, webhook_id: str, event_id: str, *, app_id: str) -> int:
    """Queue one event of the app. Returns how many, which is one. Raises NotFound."""
    with database.write() as connection:
        own = (event.c.id == event_id) & (event.c.app_id == app_id)
        if connection.execute(select(event.c.id).where(own)).first() is None:
            raise NotFound(f"there is no event {event_id[:100]!r}, or it is no longer kept")
        return queue_again(connection, webhook_id, [event_id], now=database.now())


def replay_span(database: Database, webhook_id: str, span: Span) -> int:
    """Queue the events of a span, in transactions of their own so that nobody waits long. Returns how many."""
    queued = 0
    for ids in _chunks(database, span):
        with database.write() as connection:
            queued += queue_again(connection, webhook_id, ids, now=database.now())
    return queued


def queue_again(connection: Connection, webhook_id: str, event_ids: list[str], *, now: int) -> int:
    """Queue events for a webhook, due at once and with all attempts left, whatever their state. Returns how many.

    The token is raised, so that a worker that is posting it at this moment, or comes back late with the result of an
    earlier try, can't end the new one.
    """
    if not event_ids:
        return 0
    values = {"webhook_id": webhook_id, "now": now, "ids": event_ids}
    return connection.execute(_QUEUE_AGAIN, values).rowcount


_QUEUE_AGAIN = text(
    "INSERT INTO mailsvc_webhook_delivery"
    " (webhook_id, event_id, status, due_at, attempts, lease_token, created_at, updated_at)"
    " SELECT :webhook_id, id, 'queued', :now, 0, 0, :now, :now FROM mailsvc_event WHERE id IN :ids"
    " ON CONFLICT (webhook_id, event_id) DO UPDATE SET status = 'queued', due_at = :now, attempts = 0,"
    " lease_token = mailsvc_webhook_delivery.lease_token + 1, lease_owner = NULL, updated_at = :now"
).bindparams(bindparam("ids", expanding=True))


def _chunks(database: Database, span: Span) -> Iterator[list[str]]:
    with database.read() as connection:
        position = _first_position(connection, span.app_id, span.since - MARGIN)
    while True:
        wanted = (
            select(event.c.position, event.c.id, event.c.type, event.c.created_at)
            .where(event.c.app_id == span.app_id, event.c.position >= position)
            .order_by(event.c.position)
            .limit(CHUNK)
        )
        with database.read() as connection:
            rows = connection.execute(wanted).all()
        yield [
            row.id
            for row in rows
            if span.since <= row.created_at < span.until and events.matches(span.patterns, row.type)
        ]
        if len(rows) < CHUNK or rows[-1].created_at >= span.until + MARGIN:
            return
        position = rows[-1].position + 1


def _first_position(connection: Connection, app_id: str, at: int) -> int:
    """The position of the app's first event that is not older than this; by bisection, because times have no index."""
    own = select(event.c.position, event.c.created_at).where(event.c.app_id == app_id)
    last = connection.execute(own.order_by(event.c.position.desc()).limit(1)).first()
    low, high = 0, last.position + 1 if last else 0
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(own.where(event.c.position >= middle).order_by(event.c.position).limit(1)).one()
        if found.created_at >= at:
            high = middle
        else:
            low = found.position + 1
    return low
