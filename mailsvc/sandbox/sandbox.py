"""The sandbox relay, which receives all mail while no real relay is configured."""

import secrets
from pathlib import Path

from mailsvc.sandbox.certificate import make_certificate
from mailsvc.sandbox.fates import Fates
from mailsvc.smtp.server import SmtpServer

__all__ = ["Sandbox"]


class Sandbox:
    """A submission server on loopback, with its own credentials and certificate, made in this directory."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, directory: Path | None = None) -> None:
        self.host = host
        self.port = port
        self.username = "sandbox"
        self.password = secrets.token_urlsafe(24)
        self.ca_pem, context = make_certificate(directory)
        self._server = SmtpServer(Fates(self.username, self.password), context)

    async def start(self) -> None:
        """Listen, in the running event loop."""
        await self._server.start(self.host, self.port)
        self.port = self._server.port

    async def stop(self) -> None:
        await self._server.stop()
