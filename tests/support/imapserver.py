"""The sandbox's IMAP server in a thread of the test's own process, with clients of all kinds."""

import asyncio
import imaplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imapclient import IMAPClient

from mailsvc.imap.server import ImapServer
from mailsvc.imap.session import Session
from mailsvc.mailaccess.account import Credentials, Server
from mailsvc.sandbox.certificate import make_certificate
from mailsvc.sandbox.maildrop import MailDrop

__all__ = ["PASSWORD", "USER", "RunningServer", "run_server"]

USER, PASSWORD = "robin", 'pass "word" \\'
HOST = "127.0.0.1"


class RunningServer:
    """A server and its folder, which is only touched in the server's thread."""

    def __init__(self, drop: MailDrop) -> None:
        self._drop = drop
        self.ca_pem, context = make_certificate()
        self._server = ImapServer(drop, lambda user, password: (user, password) == (USER, PASSWORD), context)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._server.start(HOST, 0))
        self.port = self._server.port

    def stop(self) -> None:
        self._run(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def change(self, act: Callable[[MailDrop], Any]) -> Any:
        """Do this with the folder."""

        async def acted() -> Any:
            return act(self._drop)

        return self._run(acted())

    def append(self, *contents: bytes) -> list[int]:
        return [self.change(lambda drop, content=content: drop.append(content)) for content in contents]

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    # Clients

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca_pem)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Our own client, logged in."""
        with Session(Server(HOST, self.port, ca_pem=self.ca_pem)) as session:
            session.open()
            session.login(Credentials(USER, PASSWORD))
            yield session

    @contextmanager
    def imapclient(self) -> Iterator[IMAPClient]:
        with IMAPClient(HOST, self.port, ssl_context=self.context, timeout=30) as client:
            client.login(USER, PASSWORD)
            yield client

    @contextmanager
    def imaplib(self) -> Iterator[imaplib.IMAP4_SSL]:
        with imaplib.IMAP4_SSL(HOST, self.port, ssl_context=self.context, timeout=30) as client:
            client.login(USER, PASSWORD)
            yield client

    def say(self, *lines: bytes) -> bytes:
        """Send lines, and return all that the server says until it ends the connection."""
        with socket.create_connection((HOST, self.port), timeout=30) as raw:
            with self.context.wrap_socket(raw, server_hostname=HOST) as connection:
                connection.sendall(b"".join(line + b"\r\n" for line in lines))
                said = b""
                while part := connection.recv(65_536):
                    said += part
                return said


@contextmanager
def run_server(directory: Path, **limits: int) -> Iterator[RunningServer]:
    server = RunningServer(MailDrop(directory, **limits))
    try:
        yield server
    finally:
        server.stop()
