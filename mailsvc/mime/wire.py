"""The rules that every message obeys as bytes: CRLF only, no NUL, lines within 998 octets, known header names."""

import re

MAX_LINE = 998  # octets without CRLF, RFC 5322 section 2.1.1

_FIELD = re.compile(rb"([!-9;-~]+):[^\r\n]*(?:\r\n[ \t]+[^\r\n \t][^\r\n]*)*\r\n")


class HeaderMismatch(RuntimeError):
    """What was composed is not what was meant; such a message must never leave."""


def has_long_line(data: bytes) -> bool:
    """Whether a line of this CRLF text is over 998 octets; jumps from window to window instead of splitting."""
    start, size = 0, len(data)
    while size - start > MAX_LINE:
        end = data.rfind(b"\r\n", start, start + MAX_LINE + 2)
        if end < 0:
            return True
        start = end + 2
    return False


def is_crlf_only(data: bytes) -> bool:
    """Whether every CR and LF is part of a CRLF, and no NUL is there."""
    pairs = data.count(b"\r\n")
    return data.count(b"\n") == pairs and data.count(b"\r") == pairs and b"\0" not in data


def field_names(block: bytes) -> list[bytes]:
    """The names of a header block, read as strictly as RFC 5322 allows.

    Raises:
        HeaderMismatch: a line is neither a field nor a continuation.
    """
    names, position = [], 0
    while position < len(block):
        match = _FIELD.match(block, position)
        if match is None:
            raise HeaderMismatch("a header line is no field")
        names.append(match[1])
        position = match.end()
    return names


def verify(message: bytes, expected: list[str]) -> None:
    """Read the frozen bytes back and compare them with what was meant.

    Raises:
        HeaderMismatch: other fields than expected, in number, name or order, or a bare CR, LF or NUL anywhere.
    """
    end = message.find(b"\r\n\r\n")
    found = field_names(message[: end + 2])
    if end < 0 or found != [name.encode("ascii") for name in expected]:
        raise HeaderMismatch(f"expected the fields {expected}, composed {found}")
    if not is_crlf_only(message):
        raise HeaderMismatch("a bare CR, LF or NUL in the composed message")
