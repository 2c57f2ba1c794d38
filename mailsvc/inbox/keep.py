"""Stores mails as they were fetched, with the cursor and with what is to be done to them, in one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select, update

from mailsvc.domain.ids import new_id
from mailsvc.domain.mailbox import Mailbox
from mailsvc.inbox.cursor import add_copies
from mailsvc.inbox.leases import Lease, hold
from mailsvc.store.bulk import carry_out, insertion
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body, mailbox_task

__all__ = ["NO_UIDL", "FetchedMail", "KeptMail", "keep"]

NO_UIDL = "digest:"  # how a UID begins that the server did not give


@dataclass(frozen=True, slots=True)
class FetchedMail:
    """A mail as the server gave it."""

    uid: str  # ``<UIDVALIDITY>:<UID>``, or the unique-id of POP3, or ``NO_UIDL`` and what stands for one
    content: bytes
    size: int  # as the server says
    truncated: bool = False  # the content is the header alone
    error: str | None = None  # a sentence: why the content is incomplete
    memory: str | None = None  # POP3: what it is remembered by
    may_be_known: bool = False  # it may be stored under another UIDVALIDITY


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A new arrival that is not classified yet."""

    id: str
    content: bytes
    truncated: bool
    error: str | None


def keep(
    database: Database, lease: Lease, mailbox: Mailbox, mails: Sequence[FetchedMail], **cursor: Any
) -> list[KeptMail]:
    """Store the mails and these columns of the cursor; durable on return. Returns the arrivals that are new.

    Raises:
        LeaseLost: nothing was stored.
    """
    digests = [_digest_of(mail) for mail in mails]
    with database.write() as connection:
        hold(connection, lease, **cursor)
        new = [
            (mail, digest, new_id("arr"))
            for mail, digest in zip(mails, digests, strict=True)
            if not (mail.may_be_known and _recognise(connection, mailbox.id, digest, mail.uid))
        ]
        _insert(connection, mailbox, new, database.now())
        add_copies(connection, mailbox.id, [mail.memory for mail in mails if mail.memory is not None])
    return [KeptMail(id_, mail.content, mail.truncated, mail.error) for mail, _, id_ in new]


def _digest_of(mail: FetchedMail) -> str:
    """What equal mails have in common."""
    size = f"{mail.size}:".encode() if mail.truncated else b""
    return hashlib.sha256(size + mail.content).hexdigest()


def _recognise(connection: Connection, mailbox_id: str, digest: str, uid: str) -> bool:
    """Give the UID to an arrival of this content that has none of this UIDVALIDITY yet. Returns whether there was one.

    So as many equal mails are recognised as were stored.
    """
    validity = uid.partition(":")[0]
    is_left = or_(arrival.c.uid.is_(None), ~arrival.c.uid.startswith(f"{validity}:"))
    same = (arrival.c.mailbox_id == mailbox_id) & (arrival.c.digest == digest)
    oldest = select(arrival.c.id).where(same, is_left).order_by(arrival.c.id).limit(1).scalar_subquery()
    return connection.execute(update(arrival).where(arrival.c.id == oldest).values(uid=uid)).rowcount == 1


def _insert(connection: Connection, mailbox: Mailbox, new: Sequence[tuple[FetchedMail, str, str]], now: int) -> None:
    arrivals = [
        {
            "id": id_,
            "app_id": mailbox.app_id,
            "mailbox_id": mailbox.id,
            "folder": mailbox.folder,
            "uid": mail.uid,
            "digest": digest,
            "size": mail.size,
            "truncated": mail.truncated,
            "received_at": now,
            "error": mail.error,
        }
        for mail, digest, id_ in new
    ]
    bodies = [{"arrival_id": id_, "content": mail.content} for mail, _, id_ in new]
    tasks = [
        {"arrival_id": id_, "mailbox_id": mailbox.id, "action": mailbox.after}
        for mail, _, id_ in new
        if mail.error is None or mailbox.after != "delete"  # what the server could not give is only there
    ]
    dialect = connection.dialect.name
    carry_out(connection, insertion(dialect, arrival, arrivals) + insertion(dialect, arrival_body, bodies))
    if mailbox.after != "keep":
        carry_out(connection, insertion(dialect, mailbox_task, tasks))
