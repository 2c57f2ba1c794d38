"""One POP3 session at each poll interval: read, delete what is to be deleted, end."""

import threading
from collections import defaultdict
from collections.abc import Mapping

from mailsvc.inbound.account import TIMEOUTS, server_of
from mailsvc.inbound.imap_watch import Looked
from mailsvc.inbound.intake import Intake
from mailsvc.inbound.login import log_in
from mailsvc.inbound.pop3_reader import Pop3Reader
from mailsvc.inbox.tasks import Task, drop_tasks, open_tasks
from mailsvc.pop3.session import Session

__all__ = ["Pop3Watch"]


class Pop3Watch:
    """As ``ImapWatch``."""

    def __init__(self, intake: Intake, stop: threading.Event, looked: Looked) -> None:
        self._intake, self._stop, self._looked = intake, stop, looked
        self._reader = Pop3Reader(intake)
        self._session: Session | None = None

    def run_session(self) -> float:
        """Look once. Returns the seconds to rest. Raises the errors of a session."""
        mailbox = self._intake.mailbox
        with Session(server_of(mailbox), timeouts=TIMEOUTS) as session:
            self._session = session
            session.open()
            log_in(session, mailbox, self._intake.tokens)
            ids = self._reader.look(session)
            tasks = open_tasks(self._intake.database, mailbox.id)
            session.delete(*_numbers(tasks, ids))
            session.quit()
        # Deleted at the OK to QUIT, and only then (RFC 1939 section 6); those that were gone before are done, too.
        drop_tasks(self._intake.database, [task.arrival_id for task in tasks])
        self._looked(None)
        return mailbox.poll_interval

    def close(self) -> None:
        """End the session, from another thread. Nothing is deleted by it."""
        if self._session is not None:
            self._session.close()


def _numbers(tasks: list[Task], ids: Mapping[int, str]) -> list[int]:
    """The messages to delete: of equal ids as many as there are tasks, the last ones, as the reader takes those for new."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, id_ in sorted(ids.items()):
        numbers[id_].append(number)
    return [numbers[task.uid].pop() for task in tasks if numbers[task.uid]]
