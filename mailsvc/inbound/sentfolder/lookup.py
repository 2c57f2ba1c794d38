"""Looks for the copy of a message whose transaction ended without a reply."""

from sqlalchemy import select

from mailsvc.inbound.sentfolder.folder import SentFolder
from mailsvc.outcomes.sent_jobs import give_up_lookup, put_off, settle_lookup
from mailsvc.store.database import Database
from mailsvc.store.leases import DueSentJob
from mailsvc.store.tables import message

__all__ = ["UNSEEN", "fail_lookup", "look_up"]

UNSEEN = "unseen"  # the status of a look-up that ended without a look


def look_up(database: Database, folder: SentFolder, job: DueSentJob) -> str:
    """Look once, and record what that means for the delivery. Returns the job's status.

    Raises:
        MailAccessError: nobody could look.
    """
    with database.read() as connection:
        message_id = connection.execute(select(message.c.message_id).where(message.c.id == job.message_id)).scalar_one()
    copies = folder.count_copies(message_id)  # before the transaction that says what may have left them
    with database.write() as connection:
        return settle_lookup(connection, job, copies, folder.place, now=database.now())


def fail_lookup(database: Database, job: DueSentJob, error: str, *, is_final: bool = False) -> None:
    """Look again later. Once the time is over, or with ``is_final``, the delivery is sent again."""
    with database.write() as connection:
        now = database.now()
        if is_final or not put_off(connection, job, error, now=now):
            give_up_lookup(connection, job, f"its copy could not be looked for ({error})", UNSEEN, now=now)
