"""Dot-stuffing: a message's content as it is sent after DATA (RFC 5321 section 4.5.2)."""

import re
from collections.abc import Iterator

from mailsvc.mime.wire import is_crlf_only

__all__ = ["CHUNK", "require_crlf", "stuffed"]

CHUNK = 64 * 1024
_DOTTED = re.compile(rb"\r\n\.")  # faster than "in" is for so short a piece


def require_crlf(content: bytes) -> None:
    """Raises ValueError where a CR or LF stands alone: some servers would see the end of the message there."""
    if not is_crlf_only(content):
        raise ValueError("the content has a bare CR or LF, or a NUL")


def stuffed(content: bytes, *, chunk: int = CHUNK) -> Iterator[bytes | memoryview]:
    """Pieces of about 64 KiB, dots doubled, ending in CRLF, without the final dot; a large content is never copied whole."""
    start = b"." if content.startswith(b".") else b""
    end = b"" if content.endswith(b"\r\n") else b"\r\n"
    if len(content) <= chunk:
        yield start + _doubled(content) + end
        return
    if start:
        yield start
    if start or _DOTTED.search(content):
        yield from _doubled_pieces(content, chunk)
    else:
        view = memoryview(content)
        yield from (view[at : at + chunk] for at in range(0, len(content), chunk))
    if end:
        yield end


def _doubled(content: bytes) -> bytes:
    return content.replace(b"\r\n.", b"\r\n..")


def _doubled_pieces(content: bytes, chunk: int) -> Iterator[bytes]:
    start, size = 0, len(content)
    while start < size:
        stop = min(start + chunk, size)
        # No piece may end between a CRLF and its dot, where the next one could not see what to double.
        stop += content.startswith(b"\n", stop)
        stop += content.startswith(b".", stop)
        yield _doubled(content[start:stop])
        start = stop
