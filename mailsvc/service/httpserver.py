"""The API's process: uvicorn, with limits of ours, in an event loop of ours."""

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
from mailsvc.service.child import STOPPING, allow_files
from mailsvc.service.unauthenticated import Strangers

__all__ = ["HEAD_SECONDS", "MOST_HEAD", "answer_requests", "server_of"]

IDLE_SECONDS = 75  # longer than clients keep connections that they don't use: they should be the ones who close them
HEAD_SECONDS = 30.0
MOST_HEAD = 64 * 1024
MOST_CONNECTIONS = 4096
OTHER_FILES = 256  # that the process may need to open
ACCEPTED_AT_ONCE = 64  # asyncio goes on so often, and complains each time, when no file is left for a connection
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def answer_requests(gateway: Gateway, listener: socket.socket, *, drain_seconds: int) -> None:
    """Serve HTTP on a listening socket until SIGTERM or SIGINT, then finish what was begun."""
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


def server_of(application: Any, *, drain_seconds: int) -> Server:
    """What answers by this application, for at most ``drain_seconds`` after it should exit."""
    return _Server(
        Config(
            application,
            http=Connection,
            ws="none",
            lifespan="on",
            backlog=ACCEPTED_AT_ONCE,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=drain_seconds,
            proxy_headers=False,  # who may send is judged by the address that really sent
            server_header=False,
            access_log=False,
            log_config=None,
            log_level="error",
        )
    )


class _Server(Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(socket.SOMAXCONN)  # asyncio lets no more wait than it accepts at once

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: uvicorn would end the process by them once more when all is done."""
        yield


class Connection(HttpToolsProtocol):
    """A client's connection, one of not too many: who never showed a key makes room for others.

    The head of a request must come in time. It must fit into memory, and so must what stands between the pieces of a body,
    and behind them; the gateway bounds the body.
    """

    strangers = Strangers()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser = _Parser(self)
        self._unfinished = 0  # bytes that came since a head, a piece of a body, or a message last ended
        self._in_head = False
        self._deadline: asyncio.TimerHandle | None = None
        self.is_gone = asyncio.Event()  # or it sends no more
        self._is_known = False
        self._address = ""

    @property
    def is_silent(self) -> bool:
        """Whether nobody is at work for it."""
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
        """The client sends no more, but it may be there for its answer."""
        self.is_gone.set()
        return (self._owes_answer and not self.cycle.more_body) or None

    @property
    def is_known(self) -> bool:
        """Whether a valid key was shown."""
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
            self._expect_head()  # or it is what is left of a body that nobody wants: it gets as long
        self._unfinished += len(data)
        super().data_received(data)  # which counts for nothing if any of that ends in it: the parser doesn't tell where
        if self._unfinished > MOST_HEAD and not self.transport.is_closing():
            if self._in_head and not self._owes_answer:  # it would pass for that one
                self.transport.write(_TOO_LARGE)
            self.transport.close()  # so that no more comes: httptools keeps even a field that is for nobody

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["guest"] = self
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else it stands behind a body: nothing there is for us
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._wants_other_protocol():
            return
        self._in_head, self._unfinished = False, 0
        self._expect_nothing()
        super().on_headers_complete()
        if self.parser.should_upgrade():  # for a tunnel: what follows is none of ours, whatever the answer
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
        """The head that was just read, as of a request that wants no other protocol."""
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
    """Reads a request that asks for another protocol as if it did not, which is how to decline (RFC 9110 section 7.8).

    Java's client asks for HTTP/2 that way. httptools takes what follows such a head for that protocol, and uvicorn, which
    doesn't speak it, for the next request: the body would be lost, and obeyed.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._begin()

    def _begin(self) -> None:
        super().__init__(self._connection)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own

    def feed_data(self, data: Any) -> None:
        rest = memoryview(data)
        while rest:
            try:
                super().feed_data(rest)
            except HttpParserUpgrade as upgrade:
                if self.get_method() == b"CONNECT":  # it was heard as it is
                    return
                rest = rest[upgrade.args[0] :]
                head = self._connection.head_without_upgrade()
                self._begin()  # the head may have ended the connection too: whatever came after it would be ignored
                super().feed_data(head)
            else:
                return
