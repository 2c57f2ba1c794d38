"""Listens on one address, over TLS from the first byte."""

import asyncio
import ssl

from mailsvc.imap.server.commands import COMMANDS
from mailsvc.imap.server.connection import Connection
from mailsvc.imap.server.folder import Folder
from mailsvc.imap.server.session import Authenticate, Session

__all__ = ["ImapServer"]

HANDSHAKE_SECONDS = 10.0


class ImapServer:
    """Shows one folder to one user.

    Args:
        authenticate: whether a user's name and password are right.
        context: the server's certificate.
    """

    def __init__(self, folder: Folder, authenticate: Authenticate, context: ssl.SSLContext) -> None:
        self._folder, self._authenticate, self._context = folder, authenticate, context
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def start(self, host: str, port: int) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, host, port, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_SECONDS
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._folder.listeners.add(self._tell_news)

    async def stop(self) -> None:
        self._folder.listeners.discard(self._tell_news)
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()
        if self._server is not None:
            await self._server.wait_closed()

    def _connection(self) -> Connection:
        return Connection(Session(self._folder, self._authenticate, COMMANDS), self._connections)

    def _tell_news(self) -> None:
        for connection in list(self._connections):
            connection.tell_news()
