"""The sandbox: a relay that delivers nothing, and the mailbox where what follows arrives."""

import secrets
from pathlib import Path

from mailsvc.domain.relay import SANDBOX, SANDBOX_HOST
from mailsvc.imap.server import ImapServer
from mailsvc.sandbox.certificate import make_certificate
from mailsvc.sandbox.fates import Fates
from mailsvc.sandbox.maildrop import MailDrop
from mailsvc.smtp.server import SmtpServer

__all__ = ["Sandbox"]


class Sandbox:
    """A submission server and a mailbox server on loopback, with credentials and a certificate of their own.

    Args:
        directory: where the key is stored for a moment.
        mails: where the mails of the mailbox are kept. Raises OSError.
    """

    def __init__(self, directory: Path, mails: Path) -> None:
        self.host = SANDBOX_HOST
        self.port = self.imap_port = 0
        self.username = SANDBOX
        self.password = secrets.token_urlsafe(24)
        self.ca_pem, context = make_certificate(directory)
        drop = MailDrop(mails)
        fates = Fates(self.username, self.password, drop)
        self._smtp = SmtpServer(fates, context)
        self._imap = ImapServer(drop, fates.authenticate, context)

    async def start(self) -> None:
        """Listen, in the running event loop."""
        await self._imap.start(self.host, 0)
        await self._smtp.start(self.host, 0)
        self.port, self.imap_port = self._smtp.port, self._imap.port

    async def stop(self) -> None:
        await self._smtp.stop()
        await self._imap.stop()
