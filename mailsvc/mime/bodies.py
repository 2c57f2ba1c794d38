"""Bodies as they go over the wire: 7bit where that is lossless, else quoted-printable or base64 (RFC 2045)."""

import binascii
from collections.abc import Iterator

from mailsvc.mime.wire import has_long_line, is_crlf_only

_HIGH = bytes(range(128, 256))
_BLOCK = 57 * 1024  # input of base64 at a time: whole lines, and never the whole attachment twice


def encode_text(text: str) -> tuple[str, bytes]:
    """The transfer encoding and the body of a text with CRLF line breaks."""
    data = text.encode()
    if text.isascii() and not has_long_line(data):
        return "7bit", data
    escapes = len(data) - len(data.translate(None, _HIGH + b"="))
    if len(data) + 2 * escapes <= len(data) * 78 // 57:
        return "quoted-printable", _quoted_printable(data)
    return "base64", b"".join(base64_lines(data))


def _quoted_printable(data: bytes) -> bytes:
    encoded = binascii.b2a_qp(data)
    # It breaks lines as the first line of its input does, and by LF alone where that has no second line.
    return encoded if b"\r\n" in data else encoded.replace(b"\n", b"\r\n")


def base64_lines(data: bytes) -> Iterator[bytes]:
    """The content as lines of 76 columns, in blocks."""
    view = memoryview(data)
    for start in range(0, len(data), _BLOCK):
        encoded = binascii.b2a_base64(view[start : start + _BLOCK], newline=False)
        lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
        lines.append(b"")
        yield b"\r\n".join(lines)


def as_message(content: bytes) -> bytes | None:
    """The content of a ``message/*`` part in the only encoding it may have (RFC 2046 section 5.2.1), if it can."""
    if not content.isascii():
        return None
    if b"\r" not in content:
        content = content.replace(b"\n", b"\r\n")
    if not is_crlf_only(content) or has_long_line(content):
        return None
    return content
