"""A message out of a multi-line response (RFC 1939 section 3): leading dots lose one, a dot alone is the end."""

import re

__all__ = ["DotUnstuffer"]

_ENDS = {b"\r\n": re.compile(rb"\r\n\.\r\n"), b"\n": re.compile(rb"\n\.\r?\n")}


class DotUnstuffer:
    """Takes pieces of any size; how the bytes are cut makes no difference to what comes out in sum.

    Args:
        newline: what ends this server's lines. A bare LF on a server that ends its lines with CRLF belongs to the
            message: taken for a line's end, it would let whoever wrote the message end it early and speak for the server.
    """

    def __init__(self, newline: bytes) -> None:
        self._newline = newline
        self._end = _ENDS[newline]
        # The status line's end is the first line's beginning; it is no part of the message.
        self._held = newline
        self._unwanted = len(newline)

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """What is now known of the message; and the bytes after its end, None before that has come."""
        data = self._held + data
        if end := self._end.search(data):
            return self._unstuffed(data[: end.start() + len(self._newline)]), data[end.end() :]
        keep = self._undecided(data)
        self._held = data[len(data) - keep :]
        return self._unstuffed(data[: len(data) - keep]), None

    def _undecided(self, data: bytes) -> int:
        """How many of the last bytes may be the beginning of the end, or of a dot to remove."""
        end = self._newline + b".\r\n"
        return next((size for size in range(len(end) - 1, 0, -1) if data.endswith(end[:size])), 0)

    def _unstuffed(self, data: bytes) -> bytes:
        if not data:
            return b""
        data = data.replace(self._newline + b".", self._newline)[self._unwanted :]
        self._unwanted = 0
        return data
