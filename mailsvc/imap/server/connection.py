"""One connection to the server: collects commands with their literals, and writes no faster than the client reads."""

import asyncio
from collections.abc import Generator

from mailsvc.imap.server.arguments import LITERAL
from mailsvc.imap.server.limits import IDLE_SECONDS, LOGIN_SECONDS, MOST_CONNECTIONS, MOST_LINE, OUTPUT_BYTES
from mailsvc.imap.server.session import CAPABILITIES, Session

__all__ = ["Connection"]


class Connection(asyncio.Protocol):
    """Lives as long as the connection.

    Args:
        connections: all that are open, of which it becomes one.
    """

    def __init__(self, session: Session, connections: "set[Connection]") -> None:
        self._session, self._connections = session, connections
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._command = bytearray()  # that is not complete yet, with its literals
        self._literal = 0  # bytes of it that are missing
        self._responses: Generator[bytes | None, bytes, None] | None = None
        self._awaits_line = self._is_paused = False
        self._timer: asyncio.TimerHandle | None = None

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._connections) >= MOST_CONNECTIONS:
            self.refuse("too many connections")
            return
        self._connections.add(self)
        self._transport.write(f"* OK [CAPABILITY {CAPABILITIES}] the sandbox is ready\r\n".encode())
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._timer is not None:
            self._timer.cancel()
        self._responses = None
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._seen = True
        self._buffer += data
        self._work_off()

    def pause_writing(self) -> None:
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._transport.resume_reading()
        self.tell_news()
        self._work_off()

    # Called by the server

    def tell_news(self) -> None:
        """The folder has changed."""
        if not self._is_paused and not self._transport.is_closing():
            self._transport.write(b"".join(self._session.news()))

    def refuse(self, reason: str) -> None:
        """Say why, and close the connection."""
        self._buffer.clear()
        self._responses = None
        if not self._transport.is_closing():
            self._transport.write(f"* BYE {reason}\r\n".encode())
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # Commands

    def _work_off(self) -> None:
        while not self._is_paused and not self._transport.is_closing():
            if self._responses is not None and not self._awaits_line:
                self._respond(None)
            elif not self._take():
                break

    def _take(self) -> bool:
        """Take what belongs to the command from the buffer. Returns whether there may be more to do."""
        if self._literal:
            return self._take_literal()
        end = self._buffer.find(b"\n") + 1
        if max(end, 0 if end else len(self._buffer)) > MOST_LINE or len(self._command) > self._most():
            self.refuse("the line is too long")
            return False
        if not end:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._take_line(line)
        return True

    def _most(self) -> int:
        return MOST_LINE + self._session.literal_limit(bytes(self._command[:MOST_LINE]))

    def _take_literal(self) -> bool:
        part = self._buffer[: self._literal]
        del self._buffer[: len(part)]
        self._command += part
        self._literal -= len(part)
        return bool(part)

    def _take_line(self, line: bytes) -> None:
        self._command += line
        if self._awaits_line:
            self._respond(self._taken())
        elif literal := LITERAL.search(line):
            self._await_literal(int(literal[1]), is_sent_already=bool(literal[2]))
        elif command := self._taken():
            self._responses = self._session.command(command)

    def _await_literal(self, size: int, *, is_sent_already: bool) -> None:
        if size <= self._session.literal_limit(bytes(self._command)):
            self._literal = size
            if not is_sent_already:
                self._transport.write(b"+ go on\r\n")
        elif is_sent_already:
            self.refuse("the literal is too large")
        else:
            tag = self._taken().partition(b" ")[0]
            self._transport.write(b"%b BAD [TOOBIG] the literal is too large\r\n" % tag)

    def _taken(self) -> bytes:
        command = bytes(self._command)
        self._command.clear()
        return command.removesuffix(b"\n").removesuffix(b"\r")

    def _respond(self, line: bytes | None) -> None:
        """Write responses until the command is answered, needs a line, or the client does not read fast enough."""
        self._awaits_line, size, parts = False, 0, []
        assert self._responses is not None
        while size < OUTPUT_BYTES:
            try:
                part = self._responses.send(line) if line is not None else next(self._responses)
            except StopIteration:
                self._responses = None
                break
            line = None
            if part is None:
                self._awaits_line = True
                break
            parts.append(part)
            size += len(part)
        if parts:
            self._transport.write(b"".join(parts))
        if self._session.is_over and self._responses is None:
            self._transport.close()

    # Silence

    def _watch(self) -> None:
        """Close the connection after a long silence. There is a timer per connection, not per command."""
        self._seen = False
        seconds = IDLE_SECONDS if self._session.is_known else LOGIN_SECONDS
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check_silence)

    def _check_silence(self) -> None:
        if self._seen and self._session.is_known:
            self._watch()
        else:
            self.refuse("idle for too long")
