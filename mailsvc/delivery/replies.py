"""SMTP replies out of bytes (RFC 5321 section 4.2), strictly: what is out of form is not guessed at."""

import re

from mailsvc.domain.attempt import Reply

__all__ = ["Garbled", "ReplyParser"]

MOST_LINE = 8 * 1024
MOST_REPLY = 32 * 1024

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: +|$)")  # RFC 2034 section 4


class Garbled(Exception):
    """Bytes that are no SMTP reply; the connection is of no more use."""


class ReplyParser:
    """Collects bytes, gives whole replies."""

    def __init__(self) -> None:
        self._buffer = b""
        self._code = b""
        self._lines: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that these bytes complete.

        Raises:
            Garbled: a line out of form, two codes in one reply, or more than a reply may hold.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        replies = [reply for line in lines if (reply := self._take(line)) is not None]
        if len(self._buffer) > MOST_LINE:
            raise Garbled("a reply line of more than 8 KiB")
        return replies

    @property
    def is_between(self) -> bool:
        """Whether no reply has begun."""
        return not self._buffer and not self._lines

    def _take(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line.removesuffix(b"\r"))
        if match is None or len(line) > MOST_LINE:
            raise Garbled(f"not an SMTP reply: {line[:80]!r}")
        code, mark, text = match[1], match[2], match[3] or b""
        if self._lines and code != self._code:
            raise Garbled("two codes in one reply")
        self._code = code
        self._size += len(line)
        if self._size > MOST_REPLY:
            raise Garbled("a reply of more than 32 KiB")
        self._lines.append(text.replace(b"\0", b"?").decode("utf-8", "replace"))
        return None if mark == b"-" else self._finish()

    def _finish(self) -> Reply:
        code, lines = int(self._code), self._lines
        self._lines, self._size = [], 0
        match = _ENHANCED.match(lines[0])
        if match is None or int(match[1][0]) != code // 100:
            return Reply(code, None, "\n".join(lines))
        enhanced = match[1]
        stripped = [line[match.end() :] if line.startswith(enhanced) else line for line in lines]
        return Reply(code, enhanced, "\n".join(stripped))
