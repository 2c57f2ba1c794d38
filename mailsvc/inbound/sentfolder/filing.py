"""Files the copy of a sent message, once: before each try it is looked whether the message is there already."""

from sqlalchemy import select

from mailsvc import clock
from mailsvc.inbound.sentfolder.folder import SentFolder
from mailsvc.mailaccess.errors import FolderMissing
from mailsvc.outcomes.sent_jobs import begin_filing, end, put_off
from mailsvc.store.database import Database
from mailsvc.store.leases import DueSentJob
from mailsvc.store.tables import body, message
from mailsvc.telemetry import facts, log

__all__ = ["GIVEN_UP", "fail_copy", "file_copy"]

GIVEN_UP = "given_up"
_LEASE, _SECONDS = 10 * clock.MINUTE, 570.0  # to append one message, however slowly


def file_copy(database: Database, folder: SentFolder, job: DueSentJob) -> str:
    """File the copy unless it is there. Returns what became of the job.

    Raises:
        MailAccessError: it can't be told whether the message is there, or it was refused.
    """
    with database.read() as connection:
        row = connection.execute(select(message).where(message.c.id == job.message_id)).first()
        content = connection.execute(select(body.c.content).where(body.c.message_id == job.message_id)).scalar()
    if row is None or content is None:
        return _ended(database, job, "dropped")
    if _is_there(folder, row.message_id):
        return _ended(database, job, "filed" if job.may_be_filed else "there")
    with database.write() as connection:
        now = database.now()
        if not begin_filing(connection, job, until=now + _LEASE, now=now):
            return "lost"  # another process has it
    folder.allow(_SECONDS)
    folder.append(bytes(content), clock.as_datetime(job.created_at))
    return _ended(database, job, "filed")


def fail_copy(database: Database, job: DueSentJob, error: str) -> None:
    """Try again later, or give up after some days."""
    with database.write() as connection:
        now = database.now()
        if not put_off(connection, job, error, now=now):
            end(connection, job, GIVEN_UP, now=now, error=error)
            log.warning("a sent message could not be filed", extra=facts(message=job.message_id, error=error))


def _is_there(folder: SentFolder, message_id: str) -> bool:
    try:
        return folder.count_copies(message_id) > 0
    except FolderMissing:
        return False


def _ended(database: Database, job: DueSentJob, status: str) -> str:
    with database.write() as connection:
        end(connection, job, status, now=database.now())
    return status
