"""Lines and literals of a server's answers, taken from the wire within limits."""

from mailsvc import clock
from mailsvc.imap.limits import Limits
from mailsvc.mailaccess.errors import ResponseTooLarge, Stage, Unreachable
from mailsvc.mailaccess.wire import Wire

__all__ = ["Receiver"]


class Receiver:
    """What has come and is not taken yet.

    Every method raises Unreachable where the connection has ended, and ResponseTooLarge where a limit is exceeded.
    """

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self._wire, self._limits = wire, limits
        self._buffer = bytearray()
        self._left = limits.response

    def expect_answer(self, literals: int) -> None:
        """An answer begins: it may have as many bytes as the limit says, besides these of literals."""
        self._left = self._limits.response + literals

    def line(self, stage: Stage) -> bytes:
        """A line with its end."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            self._receive(stage)
            self._require_short_line(stage)
        return self._take(end + 1, stage)

    def literal(self, size: int, stage: Stage) -> bytes:
        """So many bytes."""
        while len(self._buffer) < size:
            self._receive(stage)
        return self._take(size, stage)

    def has_line(self, deadline: float, stage: Stage) -> bool:
        """Whether a whole line has come before that time (``clock.monotonic``); it may come in several pieces."""
        while b"\n" not in self._buffer:
            left = deadline - clock.monotonic()
            data = self._wire.receive_within(left, stage) if left > 0 else None
            if data is None:
                return False
            self._add(data, stage)
            self._require_short_line(stage)
        return clock.monotonic() < deadline

    def has_any(self, stage: Stage) -> bool:
        """Whether anything has come, without waiting for it."""
        return bool(self._buffer or self._wire.receive_now(stage))

    def _receive(self, stage: Stage) -> None:
        self._add(self._wire.receive(stage), stage)

    def _add(self, data: bytes, stage: Stage) -> None:
        if not data:
            raise Unreachable(stage, "the server closed the connection")
        self._buffer += data

    def _require_short_line(self, stage: Stage) -> None:
        if len(self._buffer) > self._limits.line and b"\n" not in self._buffer:
            raise ResponseTooLarge(stage, f"a line of more than {self._limits.line} bytes")

    def _take(self, size: int, stage: Stage) -> bytes:
        self._left -= size
        if self._left < 0:
            raise ResponseTooLarge(stage, f"an answer of more than {self._limits.response} bytes")
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data
