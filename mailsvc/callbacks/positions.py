"""The rows of callbacks: their position in the feed, the lease of the process that calls, and the event that fails.

A row is changed only by who holds its lease, and says the token of it; ``skip`` and ``rewind`` raise the token, so that the
holder notices at its next change and begins anew from what the row says then.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from mailsvc import clock
from mailsvc.store.callback_tables import callback
from mailsvc.store.database import Database
from mailsvc.store.tables import app, event

__all__ = [
    "LEASE",
    "Failure",
    "Key",
    "Lease",
    "advance",
    "events_after",
    "find_callback",
    "is_held",
    "list_callbacks",
    "make_row",
    "note_failure",
    "release",
    "release_all",
    "rewind",
    "skip",
    "take",
]

LEASE = 60 * clock.SECOND
LONGEST_ERROR = 2000


@dataclass(frozen=True, slots=True)
class Key:
    """A row's key."""

    app_id: str
    name: str

    @property
    def condition(self) -> ColumnElement[bool]:
        return (callback.c.app_id == self.app_id) & (callback.c.name == self.name)


@dataclass(frozen=True, slots=True)
class Failure:
    """The event that the handler failed at, how often, and when it is tried again."""

    event_id: str
    tries: int
    retry_at: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to call the handler, from this position on."""

    token: int
    position: int
    failure: Failure | None


def make_row(connection: Connection, key: Key, *, from_beginning: bool, now: int) -> None:
    """Make the row of a callback that is new: from its commit on, no event is missed."""
    if connection.execute(select(callback.c.name).where(key.condition)).first() is not None:
        return
    newest = 0 if from_beginning else int(connection.execute(select(func.max(event.c.position))).scalar() or 0)
    values = {"app_id": key.app_id, "name": key.name, "position": newest}
    connection.execute(insert(callback).values(**values, seen_at=now, created_at=now, updated_at=now))


def take(connection: Connection, key: Key, *, owner: str, dead: Collection[str], now: int) -> Lease | int | None:
    """Take the lease.

    Args:
        dead: workers whose process has ended: their leases are free.

    Returns:
        The lease; when another worker's ends, in microseconds; None where there is no such callback any more.
    """
    row = connection.execute(select(callback).where(key.condition).with_for_update()).first()
    if row is None:
        return None
    if row.lease_owner not in (None, owner) and row.lease_until > now and row.lease_owner not in dead:
        return int(row.lease_until)
    token = row.lease_token + 1
    values = {"lease_owner": owner, "lease_token": token, "lease_until": now + LEASE, "seen_at": now}
    connection.execute(update(callback).where(key.condition).values(**values))
    failure = Failure(row.event_id, row.tries, row.retry_at or 0) if row.event_id else None
    return Lease(token, row.position, failure)


def advance(connection: Connection, key: Key, lease: Lease, position: int, *, now: int) -> bool:
    """Move to this position, and extend the lease. False if the lease is lost."""
    moved = {"event_id": None, "tries": 0, "retry_at": None, "last_error": None} if position > lease.position else {}
    return _change(connection, key, lease, {"position": position, **moved}, now)


def note_failure(connection: Connection, key: Key, lease: Lease, position: int, failed: Failure, *, now: int) -> bool:
    """Move to the position before an event that failed, with what is known of it. False if the lease is lost."""
    values = {
        "position": position,
        "event_id": failed.event_id,
        "tries": failed.tries,
        "retry_at": failed.retry_at,
        "last_error": failed.error[:LONGEST_ERROR],
    }
    return _change(connection, key, lease, values, now)


def _change(connection: Connection, key: Key, lease: Lease, values: dict[str, Any], now: int) -> bool:
    mine = key.condition & (callback.c.lease_token == lease.token)
    common = {"lease_until": now + LEASE, "seen_at": now, "updated_at": now}
    return connection.execute(update(callback).where(mine).values(**values, **common)).rowcount == 1


def release(connection: Connection, key: Key, lease: Lease) -> None:
    """Give the lease back, for another process to take at once."""
    mine = key.condition & (callback.c.lease_token == lease.token)
    connection.execute(update(callback).where(mine).values(lease_owner=None, lease_until=0))


def release_all(database: Database, owner: str) -> None:
    """Free the leases of a worker that has ended."""
    held = callback.c.lease_owner == owner
    with database.write() as connection:
        connection.execute(update(callback).where(held).values(lease_owner=None, lease_until=0))


def events_after(connection: Connection, app_id: str, position: int, *, limit: int) -> Sequence[Any]:
    """The next events of the app: ``position``, ``id``, ``type``, ``body``."""
    columns = (event.c.position, event.c.id, event.c.type, event.c.body)
    later = select(*columns).where(event.c.app_id == app_id, event.c.position > position)
    return connection.execute(later.order_by(event.c.position).limit(limit)).all()


def is_held(connection: Connection, key: Key, lease: Lease) -> bool:
    """Whether the lease is still held."""
    token = connection.execute(select(callback.c.lease_token).where(key.condition)).scalar()
    return token == lease.token


# For people


def list_callbacks(connection: Connection) -> Sequence[Any]:
    """The rows of all apps, each with the app's name as ``app`` and with how many of its events lie ``behind``."""
    later = select(func.count()).where(event.c.app_id == callback.c.app_id, event.c.position > callback.c.position)
    columns = (callback, app.c.name.label("app"), later.scalar_subquery().label("behind"))
    joined = select(*columns).join(app, app.c.id == callback.c.app_id)
    return connection.execute(joined.order_by(app.c.name, callback.c.name)).all()


def find_callback(connection: Connection, app_name: str, name: str) -> Any:
    """The row of the callback with this name.

    Raises:
        LookupError: there is none.
    """
    own = select(callback).join(app, app.c.id == callback.c.app_id)
    row = connection.execute(own.where(app.c.name == app_name, callback.c.name == name)).first()
    if row is None:
        raise LookupError(f"there is no callback {name!r} of the app {app_name!r}")
    return row


def skip(connection: Connection, app_name: str, name: str, event_id: str, *, now: int) -> None:
    """Pass over the event that the handler fails at.

    Raises:
        LookupError: there is no such callback, or it does not fail at this event.
    """
    row = find_callback(connection, app_name, name)
    if row.event_id != event_id:
        waits = f"it fails at {row.event_id}" if row.event_id else "it fails at none"
        raise LookupError(f"the callback {name!r} does not fail at {event_id}: {waits}")
    position = connection.execute(select(event.c.position).where(event.c.id == event_id)).scalar()
    _put(connection, row, row.position if position is None else position, now)


def rewind(connection: Connection, app_name: str, name: str, after: str, *, now: int) -> None:
    """Go to another place in the feed.

    Args:
        after: the id of an event, ``beginning`` or ``now``: the handler is called with the events after it.

    Raises:
        LookupError: there is no such callback, or no such event of its app.
    """
    row = find_callback(connection, app_name, name)
    if after == "beginning":
        position = 0
    elif after == "now":
        position = connection.execute(select(func.max(event.c.position))).scalar() or 0
    else:
        own = select(event.c.position).where(event.c.id == after, event.c.app_id == row.app_id)
        found = connection.execute(own).scalar()
        if found is None:
            raise LookupError(f"there is no event {after!r} of the app {app_name!r}, or it is no longer kept")
        position = found
    _put(connection, row, position, now)


def _put(connection: Connection, row: Any, position: int, now: int) -> None:
    cleared = {"event_id": None, "tries": 0, "retry_at": None, "last_error": None, "lease_owner": None}
    values = {"position": position, "lease_token": row.lease_token + 1, "lease_until": 0, "updated_at": now}
    key = Key(row.app_id, row.name)
    connection.execute(update(callback).where(key.condition).values(**cleared, **values))
