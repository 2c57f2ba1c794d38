"""Does on the IMAP server what was decided when a mail was stored: marks it, moves it, deletes it."""

from itertools import groupby
from operator import attrgetter

from mailsvc.apps.mailbox_form import MOVE
from mailsvc.apps.mailbox_state import FailedSession
from mailsvc.domain.mailbox import Mailbox
from mailsvc.imap.session import Session
from mailsvc.inbox.tasks import Task, drop_tasks, open_tasks
from mailsvc.mailaccess.errors import CommandRefused, FolderMissing, NotSupported
from mailsvc.store.database import Database

__all__ = ["carry_out_tasks"]


def carry_out_tasks(session: Session, database: Database, mailbox: Mailbox, uidvalidity: int) -> FailedSession | None:
    """Carry out the mailbox's tasks; each is dropped once it is done. Returns why some can't be carried out.

    Tasks that follow from a former ``after`` are dropped, too, where they are refused: somebody has mended that.
    """
    trouble: FailedSession | None = None
    refused: set[str] = set()
    while tasks := open_tasks(database, mailbox.id, uids=f"{uidvalidity}:", besides=refused):
        for action, group in groupby(sorted(tasks, key=attrgetter("action")), key=attrgetter("action")):
            these = list(group)
            try:
                _carry_out(session, action, these)
            except (NotSupported, CommandRefused) as error:
                if action == mailbox.after:
                    refused.add(action)
                    trouble = _trouble(action, error)
                    continue
            drop_tasks(database, [task.arrival_id for task in these])
    return trouble


def _carry_out(session: Session, action: str, tasks: list[Task]) -> None:
    uids = [int(task.uid.partition(":")[2]) for task in tasks]
    if action == "seen":
        session.mark_seen(uids)
    elif action == "delete":
        session.expunge(uids)
    else:
        session.move(uids, action.removeprefix(MOVE))


def _trouble(action: str, error: NotSupported | CommandRefused) -> FailedSession:
    if isinstance(error, FolderMissing):
        return FailedSession("folder_missing", f"mails can't be moved: {error.text}")
    if action == "delete" and isinstance(error, NotSupported):
        return FailedSession("delete_unsupported", f"nothing is deleted: {error.text}")
    return FailedSession("protocol_error", f"after: {action} is refused: {error.text}")
