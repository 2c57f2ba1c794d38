"""A message's content as it goes over the wire after DATA (RFC 5321 section 4.5.2)."""

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


def stuffed(content: bytes) -> Iterator[bytes | memoryview]:
    """Pieces of about 64 KiB, dots doubled, ending in CRLF, without the final dot; a large content is never copied whole."""
    end = b"" if content.endswith(b"\r\n") else b"\r\n"
    if _DOTTED.search(content) or content.startswith(b"."):
        yield from _stuffed_lines(content)
    elif len(content) <= CHUNK:
        yield content + end
        return
    else:
        view = memoryview(content)
        yield from (view[at : at + CHUNK] for at in range(0, len(content), CHUNK))
    if end:
        yield end


def _stuffed_lines(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"."):
        yield b"."
    start, size = 0, len(content)
    while start < size:
        stop = min(start + CHUNK, size)
        # No piece may end between a CRLF and its dot, where the next one could not see what to double.
        stop += content.startswith(b"\n", stop)
        stop += content.startswith(b".", stop)
        yield content[start:stop].replace(b"\r\n.", b"\r\n..")
        start = stop
