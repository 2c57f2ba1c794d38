"""One POP3 session after the other with one mailbox."""

import threading

from mailsvc.inbound.imap_watch import Looked
from mailsvc.inbound.intake import Intake

__all__ = ["Pop3Watch"]


class Pop3Watch:
    """Looks into a mailbox at each poll interval."""

    def __init__(self, intake: Intake, stop: threading.Event, looked: Looked) -> None:
        self._intake, self._stop, self._looked = intake, stop, looked

    def run_session(self) -> float:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
