"""Looks for the copies of a probe mail in the Sent folder, in a session of its own."""

from contextlib import AbstractContextManager, suppress

from mailsvc import clock
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.domain.mailbox import Mailbox
from mailsvc.imap.session import Session
from mailsvc.inbound.account import server_of
from mailsvc.inbound.login import AnotherToken, log_in
from mailsvc.inbound.sentfolder.folder import SentFolder
from mailsvc.mailaccess.account import Timeouts
from mailsvc.mailaccess.errors import FolderMissing, MailAccessError
from mailsvc.oauth.errors import OAuthError

__all__ = ["SentCopies"]

LONGEST = 45.0  # seconds of the session
EVERY = 2.0  # seconds between two looks
_TIMEOUTS = Timeouts(connect=10, tls=10, reply=10)


class SentCopies(AbstractContextManager["SentCopies", None]):
    """Attributes: ``count`` at the last look; ``error`` is set once nobody can look."""

    def __init__(self, mailbox: Mailbox, tokens: AccessTokens, message_id: str) -> None:
        self._mailbox, self._tokens, self._message_id = mailbox, tokens, message_id
        self._session = Session(server_of(mailbox), timeouts=_TIMEOUTS)
        self._folder = SentFolder(self._session, mailbox)
        self._is_open = False
        self._next_at = float("-inf")
        self.count = 0
        self.error = None if mailbox.protocol == "imap" else "POP3 has no Sent folder"

    def __exit__(self, *exception: object) -> None:
        self._folder.allow(None)
        self._session.__exit__()

    @property
    def place(self) -> str:
        return self._folder.place

    def look(self) -> bool:
        """Look again, unless it was just done. Returns whether there is nothing more to see."""
        now = clock.monotonic()
        if self.error is None and not self.count and now >= self._next_at:
            self._next_at = now + EVERY
            try:
                self._look()
            except (MailAccessError, OAuthError, AnotherToken) as error:
                self.error = f"the Sent folder can't be looked at: {error}"
        return self.error is not None or self.count > 0

    def _look(self) -> None:
        if not self._is_open:
            self._folder.allow(LONGEST)
            self._session.open()
            log_in(self._session, self._mailbox, self._tokens, patience=5.0)
            self._is_open = True
        self._session.noop()
        with suppress(FolderMissing):  # it may be created with the first copy
            self.count = self._folder.count_copies(self._message_id)
