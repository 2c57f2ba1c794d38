"""A POP3 session without its connection: what was asked goes in, bytes go in, events come out (as in h11).

Whoever owns the connection calls ``expect`` for each command that it sends and ``next_event`` until that gives None, then feeds more
bytes. Limits hold here, so that memory is bounded whatever a server sends.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from mailsvc.mailaccess.errors import MailAccessError, ProtocolViolation, ResponseTooLarge, Stage, Unreachable, readable
from mailsvc.pop3.responses import Chunk, End, Line, Status, parse_status
from mailsvc.pop3.unstuffing import DotUnstuffer

__all__ = ["Event", "Form", "Limits", "Protocol"]

Event = Status | Line | Chunk | End


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server may send. A mailbox of ``messages`` needs some 100 bytes for each while it is listed."""

    status_line: int = 8 * 1024  # bytes; RFC 2449 allows 512, an OAuth error needs more
    list_line: int = 1024  # bytes
    list_lines: int = 500_000
    list_bytes: int = 48 * 1024 * 1024


class Form(Enum):
    """How the response to a command looks where it is +OK; -ERR is always one line."""

    STATUS = "one line"
    AUTH = "one line, after any number of challenges"
    LIST = "lines, ended by a dot"
    MESSAGE = "a message, ended by a dot"


@dataclass(frozen=True, slots=True)
class _Expectation:
    stage: Stage
    form: Form
    limit: int


class Protocol:
    """Turns what comes into events. After it has raised, it is of no more use, and raises the same again."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._buffer = bytearray()
        self._searched = 0  # so many bytes of the buffer hold no LF
        self._is_over = False  # nothing will come any more
        self._fault: MailAccessError | None = None
        self._expected: deque[_Expectation] = deque()
        self._body: DotUnstuffer | None = None  # of the message that is being read
        self._held_back: Event | None = None  # the end of a message whose last bytes came with it
        self._is_listing = False
        self._lines = self._bytes = 0  # of the body that is being read

    def expect(self, stage: Stage, form: Form = Form.STATUS, *, limit: int = 0) -> None:
        """A command is about to go out (or the greeting to come).

        Args:
            limit: bytes that a message may have, dots removed.

        Raises:
            ProtocolViolation, Unreachable: something came that no command asked for; it must not pass for the answer.
        """
        if not self._expected:
            self.require_quiet(stage)
        self._expected.append(_Expectation(stage, form, limit))

    def require_quiet(self, stage: Stage) -> None:
        """Raises what ``expect`` raises where anything came after the last response, be it half a line."""
        if self._fault is not None:
            raise self._fault
        if self._buffer:
            raise self._failed(_unasked(stage, bytes(self._buffer)))
        if self._is_over:
            raise self._failed(Unreachable(stage, "connection lost"))

    @property
    def is_quiet(self) -> bool:
        """Whether not one byte has come since the last response."""
        return not self._buffer

    def receive_data(self, data: bytes) -> None:
        """Feed what the connection gave; no bytes mean that it was closed."""
        self._buffer += data
        self._is_over = self._is_over or not data

    def next_event(self) -> Event | None:
        """The next event; None where more bytes are needed.

        Raises:
            MailAccessError: ProtocolViolation, ResponseTooLarge or Unreachable; the connection has to be closed.
        """
        if self._fault is not None:
            raise self._fault
        try:
            event = self._release() or self._parsed()
        except MailAccessError as error:
            raise self._failed(error) from None
        if event is None and self._is_over:
            raise self._failed(Unreachable(self._stage, "connection lost"))
        return event

    def _parsed(self) -> Event | None:
        return self._message_event(self._body) if self._body else self._line_event()

    @property
    def _stage(self) -> Stage:
        return self._expected[0].stage if self._expected else Stage.NOOP

    def _failed(self, error: MailAccessError) -> MailAccessError:
        self._fault = error
        self._buffer.clear()
        return error

    # Lines

    def _line_event(self) -> Event | None:
        end = self._buffer.find(b"\n", self._searched)
        if (end if end >= 0 else len(self._buffer)) > self._longest_line:
            raise ResponseTooLarge(self._stage, f"a line of more than {self._longest_line} bytes")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return self._listed(line.removesuffix(b"\r")) if self._is_listing else self._status(line)

    @property
    def _longest_line(self) -> int:
        return self._limits.list_line if self._is_listing else self._limits.status_line

    def _status(self, line: bytes) -> Status:
        if not self._expected:
            raise _unasked(Stage.NOOP, line)
        wanted = self._expected[0]
        status = parse_status(line.removesuffix(b"\r"), wanted.stage, takes_challenge=wanted.form is Form.AUTH)
        if status.is_ok and wanted.form in (Form.LIST, Form.MESSAGE):
            self._begin_body(wanted.form, b"\r\n" if line.endswith(b"\r") else b"\n")
        elif status.is_ok is not None:
            self._expected.popleft()
        return status

    def _begin_body(self, form: Form, newline: bytes) -> None:
        self._lines = self._bytes = 0
        self._is_listing = form is Form.LIST
        self._body = None if self._is_listing else DotUnstuffer(newline)

    def _end_body(self) -> End:
        self._is_listing, self._body = False, None
        self._expected.popleft()
        return End()

    def _listed(self, line: bytes) -> Line | End:
        if line == b".":
            return self._end_body()
        self._lines += 1
        self._bytes += len(line)
        if self._lines > self._limits.list_lines or self._bytes > self._limits.list_bytes:
            most = f"{self._limits.list_lines} lines or {self._limits.list_bytes} bytes"
            raise ResponseTooLarge(self._stage, f"a list of more than {most}")
        return Line(line.removeprefix(b"."))

    # Messages

    def _message_event(self, body: DotUnstuffer) -> Event | None:
        if not self._buffer:
            return None
        data, rest = body.feed(bytes(self._buffer))
        self._buffer.clear()
        self._count(len(data))
        if rest is not None:
            self._buffer += rest
            self._held_back = self._end_body()
        return Chunk(data) if data else self._release()

    def _count(self, size: int) -> None:
        self._bytes += size
        limit = self._expected[0].limit
        if self._bytes > limit:
            raise ResponseTooLarge(self._stage, f"a message of more than {limit} bytes")

    def _release(self) -> Event | None:
        event, self._held_back = self._held_back, None
        return event


def _unasked(stage: Stage, said: bytes) -> MailAccessError:
    """A server that ends the session says why, at best (as Dovecot does after ten minutes); all else may be injected."""
    line = said.split(b"\n")[0].rstrip(b"\r")
    if line[:4].upper() == b"-ERR":
        return Unreachable(stage, f"the server ended the session: {readable(line[4:].strip())}")
    return ProtocolViolation(stage, f"the server sent what nobody asked for: {readable(line[:80])}")
