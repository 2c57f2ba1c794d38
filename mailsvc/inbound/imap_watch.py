"""One IMAP session after the other with one mailbox: read, act, wait for news."""

import threading
from collections.abc import Callable

from mailsvc import clock
from mailsvc.apps.mailbox_state import FailedSession
from mailsvc.imap.session import Session
from mailsvc.inbound.account import TIMEOUTS, server_of
from mailsvc.inbound.imap_reader import FolderReader
from mailsvc.inbound.imap_tasks import carry_out_tasks
from mailsvc.inbound.intake import Intake
from mailsvc.inbound.login import log_in

__all__ = ["ImapWatch"]

LONGEST_IDLE, SHORTEST_LONGEST_IDLE = 50.0, 25.0  # seconds; some servers end an IDLE after 55 s
LONGEST_PAUSE = 0.5  # seconds, before the server may tell of news that there are not once more
KEEP_ALIVE = 240.0  # seconds without IDLE, after which the server is asked whether it is there

Looked = Callable[[FailedSession | None], None]


class ImapWatch:
    """Reads a mailbox until its stop is set or its session fails.

    Args:
        intake: where mails go.
        stop: ends the watch, together with ``close``.
        looked: called after each complete look, with why arrived mails can't be moved or deleted.
    """

    def __init__(self, intake: Intake, stop: threading.Event, looked: Looked) -> None:
        self._intake, self._stop, self._looked = intake, stop, looked
        self._reader = FolderReader(intake)
        self._session: Session | None = None

    def run_session(self) -> float:
        """Open a session and use it while it works. Returns the seconds to rest. Raises the errors of a session."""
        mailbox = self._intake.mailbox
        with Session(server_of(mailbox), timeouts=TIMEOUTS) as session:
            self._session = session
            session.open()
            log_in(session, mailbox, self._intake.tokens)
            folder = self._reader.begin(session)
            in_vain, is_told = 0, False
            while not self._stop.is_set():
                in_vain = in_vain + 1 if not self._reader.look(session) and is_told else 0
                trouble = carry_out_tasks(session, self._intake.database, mailbox, folder.uidvalidity)
                self._looked(trouble)
                self._stop.wait(_pause_after(in_vain))
                is_told = self._wait(session)
            session.logout()
        return 0.0

    def close(self) -> None:
        """End the session, from another thread."""
        if self._session is not None:
            self._session.close()

    def _wait(self, session: Session) -> bool:
        """Until the server tells of news, or it is time to look regardless. Returns whether it told of any."""
        mailbox = self._intake.mailbox
        deadline = clock.monotonic() + mailbox.poll_interval
        while (left := deadline - clock.monotonic()) > 0 and not self._stop.is_set():
            self._intake.progress.mark()
            if mailbox.idle:
                if session.idle(min(left, _longest_idle(mailbox.poll_interval))):
                    return True
            elif not self._stop.wait(min(left, KEEP_ALIVE)) and left > KEEP_ALIVE:
                session.noop()
        return False


def _longest_idle(poll_interval: int) -> float:
    return min(LONGEST_IDLE, max(SHORTEST_LONGEST_IDLE, poll_interval))


def _pause_after(in_vain: int) -> float:
    """The pause after so many looks in a row that brought nothing, although the server had told of news.

    Others who delete are such news, too; but a server that tells of news without end must not keep a core busy.
    """
    return min(LONGEST_PAUSE, 0.01 * 2 ** min(in_vain - 1, 10)) if in_vain > 1 else 0.0
