"""Whether a relay can be used: stores the findings of deliveries, and emits the events about them."""

from typing import Any

from sqlalchemy import Connection, select, update

from mailsvc import clock
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.database import Database
from mailsvc.store.tables import relay

__all__ = [
    "append_relay_event",
    "mark_backing_off",
    "mark_working",
    "note_error",
    "note_limits",
    "retry_early",
]


def mark_backing_off(
    database: Database, relay_id: str, *, failures: int, retry_at: int, last_error: str, last_smtp: str
) -> None:
    """Don't use the relay until ``retry_at``. Emits ``relay.paused`` once, however many processes report this."""
    values = {"failures": failures, "retry_at": retry_at, "last_error": last_error, "last_smtp": last_smtp}
    _set_state(database, relay_id, values, ("relay.paused", last_error))


def mark_working(database: Database, relay_id: str) -> None:
    """Use the relay again, because it replied to a message. Emits ``relay.resumed`` if it was backing off."""
    values = {"failures": 0, "retry_at": None, "last_smtp": None}
    _set_state(database, relay_id, values, ("relay.resumed", "it works again"))


def note_error(database: Database, relay_id: str, *, last_error: str, last_smtp: str) -> None:
    """Store the relay's last error; the relay remains in use."""
    _set_state(database, relay_id, {"last_error": last_error, "last_smtp": last_smtp})


def note_limits(database: Database, relay_id: str, learnt: str) -> None:
    """Store the limits that the relay showed, for all processes and for later starts."""
    _set_state(database, relay_id, {"learnt": learnt})


def retry_early(connection: Connection, *, after: int, now: int) -> int:
    """Retry relays now whose next try would be after that instant. Returns how many."""
    return connection.execute(update(relay).where(relay.c.retry_at > after).values(retry_at=now)).rowcount


def append_relay_event(connection: Connection, row: Any, event_type: str, reason: str, *, now: int) -> None:
    """Append ``relay.paused`` or ``relay.resumed`` for a relay in its current state.

    ``retry_at`` is None for a relay that was paused by hand: it stays so until it is resumed.
    """
    retry_at = clock.rfc3339(row.retry_at) if row.retry_at is not None and not row.paused else None
    data = {"relay_id": row.id, "name": row.name, "reason": reason, "retry_at": retry_at}
    append_events(connection, [NewEvent(row.app_id, event_type, data)], now=now)


def _set_state(database: Database, relay_id: str, values: dict[str, Any], event: tuple[str, str] | None = None) -> None:
    """Set columns of the relay's row. Append the event (type and reason) if the relay starts or stops backing off."""
    with database.write() as connection:
        before = connection.execute(select(relay.c.retry_at).where(relay.c.id == relay_id).with_for_update()).first()
        if before is None:
            return
        changed = update(relay).where(relay.c.id == relay_id).values(**values).returning(relay)
        row = connection.execute(changed).one()
        # Another process may have reported it first.
        if event is not None and (before.retry_at is None) != (row.retry_at is None):
            append_relay_event(connection, row, *event, now=database.now())
