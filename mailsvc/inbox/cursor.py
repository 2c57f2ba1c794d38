"""How far a mailbox was read: for IMAP the last UID of a UIDVALIDITY, for POP3 the unique-ids that were seen."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from mailsvc.inbox.leases import Lease, hold
from mailsvc.store.bulk import carry_out, insertion, update_of
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, mailbox_cursor, mailbox_task, mailbox_uid

__all__ = [
    "Cursor",
    "add_copies",
    "end_rescan",
    "forget_uids",
    "read_cursor",
    "read_uids",
    "start_at",
    "start_rescan",
    "start_with_uids",
]


@dataclass(frozen=True, slots=True)
class Cursor:
    """What the reader remembers of a mailbox."""

    is_started: bool = False  # there was a successful look
    skipped_before: int | None = None  # an instant: mails up to this INTERNALDATE were there before the first look
    uidvalidity: int | None = None
    last_uid: int = 0
    rescan_to: int | None = None  # up to this UID, mails may be stored already under another UIDVALIDITY


def read_cursor(database: Database, mailbox_id: str) -> Cursor:
    """Return the cursor of a mailbox."""
    with database.read() as connection:
        wanted = select(mailbox_cursor).where(mailbox_cursor.c.mailbox_id == mailbox_id)
        row = connection.execute(wanted).first()
    if row is None:
        return Cursor()
    return Cursor(row.started_at is not None, row.skipped_before, row.uidvalidity, row.last_uid or 0, row.rescan_to)


def start_at(database: Database, lease: Lease, *, uidvalidity: int, last_uid: int, skipped_before: int | None) -> None:
    """Begin to read an IMAP folder behind this UID. Raises LeaseLost."""
    with database.write() as connection:
        hold(
            connection,
            lease,
            started_at=database.now(),
            uidvalidity=uidvalidity,
            last_uid=last_uid,
            skipped_before=skipped_before,
            rescan_to=None,
        )


def start_rescan(database: Database, lease: Lease, *, uidvalidity: int, up_to: int) -> None:
    """Begin an IMAP folder anew, because its UIDs mean other mails now (RFC 9051 section 2.3.1.1). Raises LeaseLost."""
    with database.write() as connection:
        hold(connection, lease, uidvalidity=uidvalidity, last_uid=0, rescan_to=up_to)
        # A UIDVALIDITY of the past may come back, and its UIDs mean other mails then.
        own = (arrival.c.mailbox_id == lease.mailbox_id) & arrival.c.uid.startswith(f"{uidvalidity}:")
        connection.execute(update(arrival).where(own).values(uid=None))


def end_rescan(database: Database, lease: Lease, *, uidvalidity: int) -> None:
    """All mails are known by their new UIDs. What was to be done to mails that are gone is dropped. Raises LeaseLost."""
    with database.write() as connection:
        hold(connection, lease, rescan_to=None)
        found = arrival.c.uid.startswith(f"{uidvalidity}:")
        still_there = select(arrival.c.id).where(arrival.c.mailbox_id == lease.mailbox_id, found)
        own = mailbox_task.c.mailbox_id == lease.mailbox_id
        connection.execute(delete(mailbox_task).where(own, mailbox_task.c.arrival_id.not_in(still_there)))


# POP3


def read_uids(database: Database, mailbox_id: str) -> dict[str, int]:
    """Return how many mails were seen with each unique-id."""
    wanted = select(mailbox_uid.c.uid, mailbox_uid.c.copies).where(mailbox_uid.c.mailbox_id == mailbox_id)
    with database.read() as connection:
        return {row.uid: row.copies for row in connection.execute(wanted)}


def start_with_uids(database: Database, lease: Lease, copies: Mapping[str, int]) -> None:
    """Begin to read a POP3 mailbox, in which these mails were seen already. Raises LeaseLost."""
    with database.write() as connection:
        hold(connection, lease, started_at=database.now())
        connection.execute(delete(mailbox_uid).where(mailbox_uid.c.mailbox_id == lease.mailbox_id))
        rows = [{"mailbox_id": lease.mailbox_id, "uid": uid, "copies": n} for uid, n in copies.items()]
        if rows:
            connection.execute(insert(mailbox_uid), rows)


def add_copies(connection: Connection, mailbox_id: str, uids: Collection[str]) -> None:
    """Count one more mail for each of these unique-ids."""
    if not uids:
        return
    added, own = Counter(uids), mailbox_uid.c.mailbox_id == mailbox_id
    wanted = select(mailbox_uid.c.uid, mailbox_uid.c.copies).where(own, mailbox_uid.c.uid.in_(added))
    before = {row.uid: row.copies for row in connection.execute(wanted)}
    rows = [{"mailbox_id": mailbox_id, "uid": uid, "copies": n + before.get(uid, 0)} for uid, n in added.items()]
    dialect, key = connection.dialect.name, ("mailbox_id", "uid")
    carry_out(connection, insertion(dialect, mailbox_uid, [row for row in rows if row["uid"] not in before]))
    carry_out(connection, update_of(dialect, mailbox_uid, key, [row for row in rows if row["uid"] in before]))


def forget_uids(database: Database, lease: Lease, left: Mapping[str, int]) -> None:
    """Set how many mails there are with these unique-ids, 0 for those that are gone. Raises LeaseLost.

    Only for what a complete list shows: a mail that is forgotten but still there would be read again.
    """
    with database.write() as connection:
        hold(connection, lease)
        for uid, copies in left.items():
            own = (mailbox_uid.c.mailbox_id == lease.mailbox_id) & (mailbox_uid.c.uid == uid)
            if copies:
                connection.execute(update(mailbox_uid).where(own).values(copies=copies))
            else:
                connection.execute(delete(mailbox_uid).where(own))
