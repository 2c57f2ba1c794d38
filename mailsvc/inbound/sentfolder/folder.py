"""The Sent folder of a mailbox, in a session that is logged in."""

import threading
from datetime import datetime

from mailsvc.domain.mailbox import Mailbox
from mailsvc.imap.session import Session
from mailsvc.mailaccess.errors import FolderMissing, Stage

__all__ = ["SentFolder"]

_NAME = "Sent"  # of the folder that is created where there is none


class SentFolder:
    """Found when it is first needed, and opened so that nothing in it can be changed."""

    def __init__(self, session: Session, mailbox: Mailbox) -> None:
        self._session, self._mailbox = session, mailbox
        self._name = mailbox.sent_folder
        self._is_open = False
        self._timer: threading.Timer | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"the folder {self._name or _NAME} of the mailbox {self._mailbox.name}"

    def allow(self, seconds: float | None) -> None:
        """Give the session so many seconds from now, instead of those before; None for any number."""
        if self._timer is not None:
            self._timer.cancel()
        if seconds is not None:
            self._timer = threading.Timer(seconds, self._session.close)
            self._timer.daemon = True
            self._timer.start()

    def count_copies(self, message_id: str) -> int:
        """Return how many messages with this Message-ID there are; raises FolderMissing."""
        if not self._is_open:
            self._name = self._name or self._session.find_sent()
            if self._name is None:
                raise FolderMissing(Stage.FOLDER, "there is no folder for sent mail; set the mailbox's sent_folder")
            self._session.examine(self._name)
            self._is_open = True
        return self._session.count_copies(message_id)

    def append(self, content: bytes, sent_at: datetime) -> None:
        """File a message; see ``Session.append``."""
        self._session.append(self._name or _NAME, content, sent_at)
