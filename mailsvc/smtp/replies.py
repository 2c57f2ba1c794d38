"""Parses SMTP replies (RFC 5321 section 4.2) strictly: a malformed reply is an error, and is not guessed at."""

import re

from mailsvc.domain.attempt import Reply
from mailsvc.smtp.trouble import safe

__all__ = ["ReplyParser", "not_a_reply", "reply_of"]

MOST_LINE = 8 * 1024
MOST_REPLY = 32 * 1024

MOST_KNOWN = 512
USUAL_LINE = 64

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?")
_EMPTY = (b"", b"\r")  # between replies: some relays send empty lines
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: +|$)", re.ASCII)  # RFC 2034 section 4


# Relays send few different replies, many times. This maps a line that was a whole reply to its parsed form.
_known: dict[bytes, Reply] = {}


class ReplyParser:
    """Collects bytes and returns complete replies, however the bytes are cut into pieces.

    Attributes:
        flaw: the first error of syntax; after it, nothing more is read and the connection can't be used.
    """

    def __init__(self) -> None:
        self.flaw: str | None = None
        self._buffer = b""
        self._has_blank = False  # whether an empty line came since the last reply
        self._code = b""
        self._lines: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that these bytes complete, up to a flaw."""
        replies: list[Reply] = []
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if self.flaw is not None:
                break
            if line in _EMPTY and not self._lines:
                self._has_blank = True
                continue
            reply = None if self._lines else _known.get(line)
            if reply is None:
                reply = self._take(line)
            if reply is not None:
                replies.append(reply)
                self._has_blank = False
        if len(self._buffer) > MOST_LINE:
            self.flaw = self.flaw or "a reply line of more than 8 KiB"
        if self.flaw is not None:
            self._buffer = b""
        return replies

    @property
    def is_between(self) -> bool:
        """Whether no reply is incomplete."""
        return self._buffer in _EMPTY and not self._lines and self.flaw is None

    @property
    def is_spent(self) -> bool:
        """Whether no byte has come since the last reply."""
        return self.is_between and not self._buffer and not self._has_blank

    def _take(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line.removesuffix(b"\r"))
        self._size += len(line)
        if len(line) > MOST_LINE:
            self.flaw = "a reply line of more than 8 KiB"
        elif match is None:
            self.flaw = not_a_reply(line.decode("utf-8", "replace"))
        elif self._lines and match[1] != self._code:
            self.flaw = "two codes in one reply"
        elif self._size > MOST_REPLY:
            self.flaw = "a reply of more than 32 KiB"
        if match is None or self.flaw is not None:
            return None
        self._code = match[1]
        self._lines.append((match[3] or b"").decode("utf-8", "replace"))
        return None if match[2] == b"-" else self._finish(line)

    def _finish(self, line: bytes) -> Reply:
        lines = self._lines
        self._lines, self._size = [], 0
        reply = reply_of(int(self._code), lines)
        if len(lines) == 1 and len(line) <= USUAL_LINE:
            _remember(line, reply)
        return reply


def _remember(line: bytes, reply: Reply) -> None:
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[line] = reply


def not_a_reply(line: str) -> str:
    """A flaw that shows the beginning of the line."""
    return f"not an SMTP reply: {line[:80].strip()}"


def reply_of(code: int, lines: list[str]) -> Reply:
    """The reply, with its enhanced code separate. A code that contradicts the reply's class is left in the text."""
    lines = [safe(line) for line in lines]
    match = _ENHANCED.match(lines[0])
    if match is None or int(match[1][0]) != code // 100:
        return Reply(code, None, "\n".join(lines))
    enhanced = match[1]
    stripped = [line[len(enhanced) :].lstrip(" ") if line.startswith(enhanced) else line for line in lines]
    return Reply(code, enhanced, "\n".join(stripped))
