"""Arrivals that are still to be recorded: after a crash, or because the delivery that they are about is not sent yet."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, exists, func, or_, select, update

from mailsvc import clock
from mailsvc.inbox.keep import KeptMail
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body

__all__ = ["next_recheck", "take_backlog"]

AT_ONCE = 20
ENOUGH_TRIES = 3
HELD_FOR = 30 * clock.SECOND  # by the process that took it


def take_backlog(database: Database, *, received_before: int) -> list[KeptMail]:
    """Return some arrivals that nobody recorded. Nothing is written while there are none.

    A mail that ends the process whenever it is read is given up after three tries, with an error and without its content.

    Args:
        received_before: whoever stored such an arrival, and did not classify it, has died.
    """
    now = database.now()
    is_new = arrival.c.kind.is_(None) & (arrival.c.received_at < received_before)
    is_early = arrival.c.recheck_at.is_not(None) & (arrival.c.recheck_at <= now)
    with database.read() as connection:
        if not connection.execute(select(or_(exists().where(is_new), exists().where(is_early)))).scalar():
            return []
    with database.write() as connection:
        taken = _take(connection, is_new, tries=arrival.c.tries + 1)
        taken += _take(connection, is_early, recheck_at=now + HELD_FOR)
        bodies = _bodies(connection, [row.id for row in taken if row.kind or row.tries <= ENOUGH_TRIES])
    return [_kept(row, bodies.get(row.id)) for row in sorted(taken, key=lambda row: row.id)]


def next_recheck(database: Database) -> int | None:
    """Return when the next arrival that waits for its delivery is to be looked at."""
    with database.read() as connection:
        earliest = select(func.min(arrival.c.recheck_at)).where(arrival.c.recheck_at.is_not(None))
        found = connection.execute(earliest).scalar()
    return found if isinstance(found, int) else None  # SQLite lets a row hold another type


def _take(connection: Connection, condition: Any, **values: Any) -> list[Any]:
    ids = select(arrival.c.id).where(condition).order_by(arrival.c.id).limit(AT_ONCE)
    return list(connection.execute(update(arrival).where(arrival.c.id.in_(ids)).values(**values).returning(arrival)))


def _bodies(connection: Connection, ids: Sequence[str]) -> dict[str, bytes]:
    wanted = select(arrival_body).where(arrival_body.c.arrival_id.in_(ids))
    return {row.arrival_id: row.content for row in connection.execute(wanted)}


def _kept(row: Any, content: bytes | None) -> KeptMail:
    if content is None:
        return KeptMail(row.id, b"", bool(row.truncated), "The mail could not be read: the process ended each time.")
    return KeptMail(row.id, content, bool(row.truncated), row.error)
