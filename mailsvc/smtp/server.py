"""A small SMTP submission server (RFC 5321, RFC 6409) with STARTTLS and AUTH: one policy decides about everything.

It serves the sandbox, and measurements as a fast receiver. What comes in one segment is handled in order (PIPELINING);
nothing that came before TLS is believed after it; only CRLF.CRLF ends a message.
"""

import asyncio
import base64
import binascii
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Envelope", "Policy", "SmtpServer"]

MOST_BYTES = 26_214_400
MOST_LINE = 4096
MOST_FAILURES = 3
IDLE_SECONDS = 300.0

_PATH = re.compile(rb"<([^<>\r\n]*)>(.*)", re.DOTALL)


@dataclass(slots=True)
class Envelope:
    """One transaction as it came."""

    sender: str
    envid: str | None = None
    recipients: list[str] = field(default_factory=list)


class Policy(Protocol):
    """Who may come in, and what is answered."""

    def authenticate(self, user: str, password: str) -> bool: ...
    def rcpt(self, envelope: Envelope, recipient: str) -> bytes | None:
        """A refusing reply without CRLF, or None to take the recipient."""

    def message(self, envelope: Envelope, content: bytes) -> bytes:
        """The reply to the final dot, without CRLF; the content is dot-unstuffed."""


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
        self._policy = server.policy
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._handle: Callable[[], bool] = self._take_line
        self._line_handler: Callable[[bytes], bytes] = self._command
        self._is_tls = False
        self._is_upgrading = False
        self._is_known = not server.requires_auth
        self._failures = 0
        self._envelope: Envelope | None = None
        self._out: list[bytes] = []
        self._scanned = 0
        self._idle: asyncio.TimerHandle | None = None

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)
        if not self._is_tls:
            self._transport.write(b"220 sandbox.test ESMTP\r\n")
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

    def _work_off(self) -> None:
        while self._buffer and self._handle():
            pass
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def close(self) -> None:
        self._transport.abort()

    def _watch(self) -> None:
        """Close what has been silent for too long; a timer per connection, not per command."""
        self._seen = False
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._check_idle)

    def _check_idle(self) -> None:
        if self._seen:
            self._watch()
        else:
            self._transport.write(b"421 4.4.2 idle for too long\r\n")
            self._transport.close()

    # Lines

    def _take_line(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MOST_LINE:
                self._leave(b"500 5.5.2 line too long")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if len(line) > MOST_LINE:
            self._leave(b"500 5.5.2 line too long")
            return False
        reply = self._line_handler(line.removesuffix(b"\r"))
        if reply:
            self._out.append(reply + b"\r\n")
        return not self._transport.is_closing()

    def _leave(self, reply: bytes) -> None:
        self._buffer.clear()
        self._transport.write(b"".join(self._out) + reply + b"\r\n")
        self._out.clear()
        self._transport.close()

    def _command(self, line: bytes) -> bytes:
        verb, _, rest = line.partition(b" ")
        handler = _COMMANDS.get(verb.upper())
        return handler(self, rest.strip()) if handler else b"500 5.5.1 unknown command"

    def _ehlo(self, rest: bytes) -> bytes:  # noqa: ARG002 - every command takes its argument
        self._envelope = None
        lines = [
            b"sandbox.test",
            b"PIPELINING",
            f"SIZE {MOST_BYTES}".encode(),
            b"8BITMIME",
            b"SMTPUTF8",
            b"DSN",
            b"ENHANCEDSTATUSCODES",
        ]
        lines.append(b"AUTH PLAIN LOGIN" if self._is_tls else b"STARTTLS")
        return b"\r\n".join(b"250" + (b" " if line is lines[-1] else b"-") + line for line in lines)

    def _starttls(self, rest: bytes) -> bytes:  # noqa: ARG002
        if self._is_tls:
            return b"503 5.5.1 TLS is already on"
        if self._buffer:
            self._leave(b"554 5.7.0 data before TLS")
            return b""
        self._transport.write(b"".join(self._out) + b"220 2.0.0 go ahead\r\n")
        self._out.clear()
        self._transport.pause_reading()
        self._upgrade = asyncio.ensure_future(self._start_tls())
        return b""

    async def _start_tls(self) -> None:
        # The first protected bytes can come before we hold the protected transport: they wait in the buffer.
        loop = asyncio.get_running_loop()
        self._is_tls = self._is_upgrading = True
        try:
            transport = await loop.start_tls(self._transport, self, self._server.context, server_side=True)
        except (OSError, ssl.SSLError):
            self._transport.abort()
            return
        if transport is None:
            return
        self._transport = transport
        self._envelope, self._is_known = None, not self._server.requires_auth
        self._is_upgrading = False
        self._work_off()

    # AUTH

    def _auth(self, rest: bytes) -> bytes:
        mechanism, _, initial = rest.partition(b" ")
        if not self._is_tls:
            return b"538 5.7.11 encryption required"
        if mechanism.upper() == b"PLAIN":
            if initial:
                return self._plain(initial)
            self._line_handler = self._plain
            return b"334 "
        if mechanism.upper() == b"LOGIN":
            self._line_handler = self._login_user
            return self._login_user(initial) if initial else b"334 VXNlcm5hbWU6"
        return b"504 5.5.4 unknown mechanism"

    def _plain(self, line: bytes) -> bytes:
        parts = _decoded(line).split("\0")
        return self._judge(parts[1], parts[2]) if len(parts) == 3 else self._judge("", "")

    def _login_user(self, line: bytes) -> bytes:
        user = _decoded(line)
        self._line_handler = lambda password: self._judge(user, _decoded(password))
        return b"334 UGFzc3dvcmQ6"

    def _judge(self, user: str, password: str) -> bytes:
        self._line_handler = self._command
        if self._policy.authenticate(user, password):
            self._is_known = True
            return b"235 2.7.0 welcome"
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            self._leave(b"421 4.7.0 too many failures")
            return b""
        return b"535 5.7.8 wrong user or password"

    # The transaction

    def _mail(self, rest: bytes) -> bytes:
        if not self._is_known:
            return b"530 5.7.0 authenticate first" if self._is_tls else b"530 5.7.0 issue STARTTLS first"
        if self._envelope is not None:
            return b"503 5.5.1 one transaction at a time"
        match = _PATH.match(rest[5:].strip()) if rest[:5].upper() == b"FROM:" else None
        if match is None:
            return b"501 5.5.4 MAIL FROM:<address>"
        envid = None
        for word in match[2].split():
            name, _, value = word.partition(b"=")
            if name.upper() == b"SIZE" and value.isdigit() and int(value) > MOST_BYTES:
                return b"552 5.3.4 message too large"
            if name.upper() == b"ENVID":
                envid = value.decode("ascii", "replace")
        self._envelope = Envelope(match[1].decode("utf-8", "replace"), envid)
        return b"250 2.1.0 ok"

    def _rcpt(self, rest: bytes) -> bytes:
        if self._envelope is None:
            return b"503 5.5.1 MAIL first"
        match = _PATH.match(rest[3:].strip()) if rest[:3].upper() == b"TO:" else None
        if match is None or b"@" not in match[1]:
            return b"501 5.1.3 RCPT TO:<address>"
        recipient = match[1].decode("utf-8", "replace")
        refusal = self._policy.rcpt(self._envelope, recipient)
        if refusal is None:
            self._envelope.recipients.append(recipient)
        return refusal or b"250 2.1.5 ok"

    def _data(self, rest: bytes) -> bytes:  # noqa: ARG002
        if self._envelope is None or not self._envelope.recipients:
            return b"554 5.5.1 no valid recipients"
        self._handle, self._scanned = self._take_content, 0
        return b"354 end with <CRLF>.<CRLF>"

    def _take_content(self) -> bool:
        # An empty message is a dot at once: the CRLF before it is the one of DATA itself.
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
        envelope, self._envelope = self._envelope, None
        assert envelope is not None
        if content.startswith(b".") or b"\r\n." in content:
            content = content.removeprefix(b".").replace(b"\r\n.", b"\r\n")
        self._out.append(self._policy.message(envelope, content) + b"\r\n")
        return True

    def _rset(self, rest: bytes) -> bytes:  # noqa: ARG002
        self._envelope = None
        return b"250 2.0.0 ok"

    def _noop(self, rest: bytes) -> bytes:  # noqa: ARG002
        return b"250 2.0.0 ok"

    def _quit(self, rest: bytes) -> bytes:  # noqa: ARG002
        self._leave(b"221 2.0.0 bye")
        return b""


_COMMANDS: dict[bytes, Callable[[_Connection, bytes], bytes]] = {
    b"EHLO": _Connection._ehlo,  # noqa: SLF001 - the table of its own methods
    b"HELO": _Connection._noop,  # noqa: SLF001
    b"STARTTLS": _Connection._starttls,  # noqa: SLF001
    b"AUTH": _Connection._auth,  # noqa: SLF001
    b"MAIL": _Connection._mail,  # noqa: SLF001
    b"RCPT": _Connection._rcpt,  # noqa: SLF001
    b"DATA": _Connection._data,  # noqa: SLF001
    b"RSET": _Connection._rset,  # noqa: SLF001
    b"NOOP": _Connection._noop,  # noqa: SLF001
    b"QUIT": _Connection._quit,  # noqa: SLF001
}


def _decoded(line: bytes) -> str:
    try:
        return base64.b64decode(line, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
