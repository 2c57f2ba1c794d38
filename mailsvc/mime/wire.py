"""The rules for every message's bytes: CRLF only, no NUL, lines within 998 octets, known header names."""

from io import IncrementalNewlineDecoder

MAX_LINE = 998  # octets without CRLF, RFC 5322 section 2.1.1

_WINDOW = 1 << 20  # bytes searched in one step, so that a large message isn't copied


class HeaderMismatch(RuntimeError):
    """The composed message differs from its input; it must never be sent."""


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
    """Whether every CR and LF is part of a CRLF, and there is no NUL."""
    # The decoder records the kinds of line breaks that it sees, several times faster than counting.
    seen = IncrementalNewlineDecoder(None, translate=False)
    for at in range(0, len(data), _WINDOW):
        seen.decode(data[at : at + _WINDOW].decode("latin-1"))
    seen.decode("", final=True)
    return seen.newlines in (None, "\r\n") and 0 not in data


def require_fields(block: bytes, expected: list[str]) -> None:
    """Read a header block as a strict reader does, and compare its names with the expected ones.

    Args:
        block: the lines without the last CRLF.

    Raises:
        HeaderMismatch: other fields, in number, name or order, or a line that is no field.
    """
    lines = block.split(b"\r\n")
    names = [line.partition(b":")[0].decode("latin-1") for line in lines if line[:1] not in (b" ", b"\t")]
    # A continuation line with only white space ends the header for some readers.
    if names != expected or lines[0][:1].isspace() or any(map(bytes.isspace, lines)):
        raise HeaderMismatch(f"expected the fields {expected}, composed {names}")


def verify(message: bytes, expected: list[str]) -> None:
    """Read the frozen bytes back, and compare them with the input.

    Raises:
        HeaderMismatch: other fields than expected, or a bare CR, LF or NUL anywhere.
    """
    require_fields(message[: message.find(b"\r\n\r\n")], expected)
    if not is_crlf_only(message):
        raise HeaderMismatch("a bare CR, LF or NUL in the composed message")
