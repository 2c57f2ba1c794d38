"""The API's process: uvicorn, with our limits, in our event loop."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mailsvc.api.gateway import Gateway
from mailsvc.service.child import STOPPING
from mailsvc.service.tuning import allow_files
from mailsvc.service.unauthenticated import Strangers

__all__ = ["HEAD_SECONDS", "MOST_HEAD", "answer_requests", "server_of"]

IDLE_SECONDS = 75  # longer than clients keep unused connections, so that clients close them
HEAD_SECONDS = 30.0
MOST_HEAD = 64 * 1024
MOST_CONNECTIONS = 4096
OTHER_FILES = 256  # for other files that the process may open
ACCEPTED_AT_ONCE = 64  # if no file is left for a connection, asyncio tries this often in a row, and logs each try
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def answer_requests(gateway: Gateway, listener: socket.socket, *, drain_seconds: int) -> None:
    """Serve HTTP on a listening socket until SIGTERM or SIGINT, then finish the open requests."""
    allow_files(MOST_CONNECTIONS + OTHER_FILES)
    asyncio.run(_serve(gateway, listener, drain_seconds))


def _most_connections() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, soft - OTHER_FILES)


async def _serve(gateway: Gateway, listener: socket.socket, drain_seconds: int) -> None:
    server = server_of(gateway, drain_seconds=drain_seconds)

    def stop() -> None:
        gateway.at_stop()
        server.should_exit = True

    for number in STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await server.serve([listener])


def server_of(application: Any, *, drain_seconds: int, log_level: str | None = "error") -> Server:
    """Return a server for this application, which runs for at most ``drain_seconds`` after it should exit.

    Args:
        log_level: of the loggers of uvicorn; None leaves them to the program.
    """
    config = Config(
        application,
        http=Connection,
        ws="none",
        lifespan="on",
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=drain_seconds,
        proxy_headers=False,  # access is checked by the real address of the client
        server_header=False,
        log_config=None,
        log_level=log_level,
    )
    config.access_log = False  # as an argument, it would silence the logger for the whole program
    return _Server(config)


class _Server(Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(socket.SOMAXCONN)  # asyncio's backlog is the number that it accepts at once

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us: uvicorn would send them to the process again at its end."""
        yield


class Connection(HttpToolsProtocol):
    """A client's connection. Their number is limited; one without a valid key can be closed for a new one.

    The head of a request must arrive in time. Its size is limited, and so is everything between the chunks of a body
    and after the last one; the gateway limits the body.
    """

    strangers = Strangers()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser = _Parser(self)
        self._unfinished = 0  # bytes since the last end of a head, a chunk of a body, or a message
        self._in_head = False
        self._deadline: asyncio.TimerHandle | None = None
        self.is_gone = asyncio.Event()  # set also if the client only stops sending
        self._is_known = False
        self._address = ""

    @property
    def is_silent(self) -> bool:
        """Whether no request of the connection is being handled."""
        return not self._owes_answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.strangers.bound(self._address)
        if self._has_room():
            self.strangers.enter(self, self._address)
            self._expect_head()
        else:
            transport.write(_TOO_MANY)
            transport.close()

    def _has_room(self) -> bool:
        return len(self.connections) <= _most_connections() or self.strangers.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        self.strangers.leave(self, self._address)
        self.is_gone.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client sends no more, but may still wait for its response."""
        self.is_gone.set()
        return (self._owes_answer and not self.cycle.more_body) or None

    @property
    def is_known(self) -> bool:
        """Whether the connection has presented a valid key."""
        return self._is_known

    @is_known.setter
    def is_known(self, is_known: bool) -> None:
        if is_known and not self._is_known:
            self.strangers.leave(self, self._address)
        self._is_known = is_known

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.is_gone.is_set() and not self._owes_answer and not self.pipeline:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and not self._owes_answer:
            self._expect_head()  # or it is the rest of an unread body, which gets the same time
        self._unfinished += len(data)
        super().data_received(data)  # if any part ends in it, the count restarts at 0: the parser does not tell where
        if self._unfinished > MOST_HEAD and not self.transport.is_closing():
            if self._in_head and not self._owes_answer:  # the client would take it for the response to that request
                self.transport.write(_TOO_LARGE)
            self.transport.close()  # so that no more arrives: httptools stores even fields that are not used

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["guest"] = self
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # otherwise it is a trailer, which is ignored
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._wants_other_protocol():
            return
        self._in_head, self._unfinished = False, 0
        self._expect_nothing()
        super().on_headers_complete()
        if self.parser.should_upgrade():  # a tunnel: the bytes that follow are not requests, whatever the response
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished = 0
        if not self._wants_other_protocol():
            super().on_message_complete()

    def _wants_other_protocol(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def head_without_upgrade(self) -> bytes:
        """The head that was just read, without its request for another protocol."""
        line = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([line, *fields, b"", b""])

    @property
    def _owes_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Parser(HttpRequestParser):
    """Ignores a request for another protocol, which is how to decline it (RFC 9110 section 7.8).

    Java's client asks for HTTP/2 in this way. httptools takes the bytes after such a head for that protocol. uvicorn,
    which doesn't speak it, takes them for the next request: the body would be lost, and run as a request.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._begin()

    def _begin(self) -> None:
        super().__init__(self._connection)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as in uvicorn

    def feed_data(self, data: Any) -> None:
        rest = memoryview(data)
        while rest:
            try:
                super().feed_data(rest)
            except HttpParserUpgrade as upgrade:
                if self.get_method() == b"CONNECT":  # it was handled as it is
                    return
                rest = rest[upgrade.args[0] :]
                head = self._connection.head_without_upgrade()
                self._begin()  # if the head has ended the connection, the parser would ignore all later bytes
                super().feed_data(head)
            else:
                return
