"""Leases on mailboxes: each is read by one process of all hosts at a time.

A lease ends by itself when its holder vanishes. Every claim raises a monotonic ``lease_token``; whatever the reader commits
is committed only while its token is the latest (``hold``), so that two readers never store the same mail.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from mailsvc import clock
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import mailbox, mailbox_cursor

__all__ = [
    "LEASE",
    "Lease",
    "LeaseLost",
    "claim",
    "hold",
    "read_mailbox",
    "readable_mailboxes",
    "release",
    "release_all",
    "renew",
]

LEASE = 20 * clock.SECOND
_cursor = mailbox_cursor.c


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to read a mailbox and to store what is in it."""

    mailbox_id: str
    token: int


class LeaseLost(Exception):
    """Another process reads the mailbox now, or it was deleted."""


def readable_mailboxes(connection: Connection) -> Sequence[Any]:
    """The mailboxes that are to be read: id, version of the settings, and lease of each. Asked every second."""
    joined = mailbox.join(mailbox_cursor, _cursor.mailbox_id == mailbox.c.id)
    columns = (mailbox.c.id, mailbox.c.updated_at, _cursor.lease_token, _cursor.leased_until)
    is_wanted = mailbox.c.enabled & ~mailbox.c.paused
    return connection.execute(select(*columns).select_from(joined).where(is_wanted)).all()


def read_mailbox(database: Database, mailbox_id: str) -> Row[Any] | None:
    """The whole row of a mailbox, if it still exists."""
    with database.read() as connection:
        return connection.execute(select(mailbox).where(mailbox.c.id == mailbox_id)).first()


def claim(database: Database, mailbox_ids: Collection[str], *, owner: str) -> list[Lease]:
    """Lease those of these mailboxes that nobody reads."""
    if not mailbox_ids:
        return []
    with database.write() as connection:
        now = database.now()
        is_free = or_(_cursor.leased_until.is_(None), _cursor.leased_until < now)
        taken = (
            update(mailbox_cursor)
            .where(_cursor.mailbox_id.in_(mailbox_ids), is_free)
            .values(lease_owner=owner, lease_token=_cursor.lease_token + 1, leased_until=now + LEASE)
            .returning(_cursor.mailbox_id, _cursor.lease_token)
        )
        return [Lease(row.mailbox_id, row.lease_token) for row in connection.execute(taken)]


def renew(connection: Connection, owner: str, *, now: int) -> None:
    """Extend the owner's leases, without those that another process has taken meanwhile."""
    connection.execute(update(mailbox_cursor).where(_cursor.lease_owner == owner).values(leased_until=now + LEASE))


def release(database: Database, leases: Collection[Lease]) -> None:
    """End these leases, so that another process may read the mailboxes at once."""
    with database.write() as connection:
        for lease in leases:
            connection.execute(_of(lease).values(lease_owner=None, leased_until=None))


def release_all(database: Database, owner: str) -> None:
    """End all leases of a process that ended or died."""
    with database.write() as connection:
        ended = update(mailbox_cursor).where(_cursor.lease_owner == owner)
        connection.execute(ended.values(lease_owner=None, leased_until=None))


def hold(connection: Connection, lease: Lease, **values: Any) -> None:
    """Write these columns of the cursor. Raises LeaseLost, and then the whole transaction must not be committed."""
    if connection.execute(_of(lease).values(lease_token=lease.token, **values)).rowcount == 0:
        raise LeaseLost(lease.mailbox_id)


def _of(lease: Lease) -> Any:
    return update(mailbox_cursor).where(_cursor.mailbox_id == lease.mailbox_id, _cursor.lease_token == lease.token)
