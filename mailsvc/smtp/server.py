"""A small SMTP submission server with STARTTLS and AUTH: runs a dialogue per connection; a policy makes all decisions.

The sandbox uses it, and benchmarks use it as a fast receiver. It handles pipelined commands in order (PIPELINING),
trusts nothing that was received before TLS, and ends a message only at CRLF.CRLF.
"""

import asyncio
import ssl
from collections.abc import Callable

from mailsvc.smtp.dialogue import MOST_BYTES, Dialogue, Envelope, Policy, Then

__all__ = ["Envelope", "Policy", "SmtpServer"]

NAME = "sandbox.test"
MOST_LINE = 4096
IDLE_SECONDS = 300.0


class SmtpServer:
    """Listens on one address.

    Args:
        context: the server's certificate for STARTTLS.
        requires_auth: refuse MAIL before AUTH, and AUTH before STARTTLS.
    """

    def __init__(self, policy: Policy, context: ssl.SSLContext, *, requires_auth: bool = True) -> None:
        self.policy = policy
        self.context = context
        self.requires_auth = requires_auth
        self.port = 0
        self._server: asyncio.Server | None = None
        self.connections: set[_Connection] = set()

    async def start(self, host: str, port: int) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()
        if self._server is not None:
            await self._server.wait_closed()


class _Connection(asyncio.Protocol):
    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._dialogue = Dialogue(server.policy, NAME, requires_auth=server.requires_auth)
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._handle: Callable[[], bool] = self._take_line
        self._is_upgrading = False
        self._out: list[bytes] = []
        self._scanned = 0  # bytes of content that were searched for the end
        self._idle: asyncio.TimerHandle | None = None

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)
        if not self._is_upgrading:
            self._transport.write(f"220 {NAME} ESMTP\r\n".encode())
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._server.connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._seen = True
        if not self._is_upgrading:
            self._work_off()

    def close(self) -> None:
        self._transport.abort()

    def _work_off(self) -> None:
        while self._buffer and self._handle():
            pass
        self._flush()

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def _watch(self) -> None:
        """Close the connection after a long silence. There is a timer per connection, not per command."""
        self._seen = False
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._check_idle)

    def _check_idle(self) -> None:
        if self._seen:
            self._watch()
        else:
            self._leave(b"421 4.4.2 idle for too long")

    def _leave(self, reply: bytes) -> None:
        self._buffer.clear()
        self._out.append(reply + b"\r\n")
        self._flush()
        self._transport.close()

    # Lines and content

    def _take_line(self) -> bool:
        """Handle the next line, if it is complete."""
        end = self._buffer.find(b"\n")
        if max(end, 0 if end >= 0 else len(self._buffer)) > MOST_LINE:
            self._leave(b"500 5.5.2 line too long")
            return False
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        reply, then = self._dialogue.line(line.removesuffix(b"\r"))
        return self._answer(reply, then)

    def _answer(self, reply: bytes, then: Then) -> bool:
        if then is Then.START_TLS and self._buffer:
            self._leave(b"554 5.7.0 data before TLS")
        elif then is Then.CLOSE:
            self._leave(reply)
        else:
            self._out.append(reply + b"\r\n")
        if then is Then.START_TLS and not self._transport.is_closing():
            self._flush()
            self._transport.pause_reading()
            self._upgrade = asyncio.ensure_future(self._start_tls())
            return False
        if then is Then.CONTENT:
            self._handle, self._scanned = self._take_content, 0
        return not self._transport.is_closing()

    def _take_content(self) -> bool:
        """Handle the content, if it is complete."""
        # An empty message is just the dot: the CRLF before it is the one that ends DATA.
        if self._scanned == 0 and self._buffer.startswith(b".\r\n"):
            content, rest = b"", 3
        else:
            end = self._buffer.find(b"\r\n.\r\n", max(0, self._scanned - 4))
            if end < 0:
                self._scanned = len(self._buffer)
                if self._scanned > MOST_BYTES + 1024:
                    self._leave(b"552 5.3.4 message too large")
                return False
            content, rest = bytes(self._buffer[: end + 2]), end + 5
        del self._buffer[:rest]
        self._handle = self._take_line
        if content.startswith(b".") or b"\r\n." in content:
            content = content.removeprefix(b".").replace(b"\r\n.", b"\r\n")
        self._out.append(self._dialogue.content(content) + b"\r\n")
        return True

    async def _start_tls(self) -> None:
        # The first protected bytes can arrive before start_tls returns the new transport: keep them in the buffer.
        self._is_upgrading = True
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self._transport, self, self._server.context, server_side=True
            )
        except (OSError, ssl.SSLError):
            self._transport.abort()
            return
        if transport is None:
            return
        self._transport = transport
        self._dialogue.protected()
        self._is_upgrading = False
        self._work_off()
