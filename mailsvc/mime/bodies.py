"""Bodies as they go over the wire: 7bit where that is lossless, else quoted-printable or base64 (RFC 2045)."""

import binascii
import re
import struct
from collections.abc import Iterator, Sequence

from mailsvc.mime.wire import has_long_line, is_crlf_only

_LITERAL = b"\t\r\n" + bytes(range(32, 127)).replace(b"=", b"")  # what needs no escape in quoted-printable
_LARGE = 1 << 20  # octets of text that are better not taken to pieces
_PIECES = re.compile(rb".{1,75}(?<!=)(?<!=.)", re.DOTALL).findall  # no escape is cut
_BLOCK = 57 * 1024  # input of base64 at a time: whole lines, and never the whole attachment twice
_BLOCK_LINES = struct.Struct("76s" * 1024)  # cuts the lines of a whole block in one call


def encode_text(text: str) -> tuple[str, bytes]:
    """The transfer encoding and the body of a text with CRLF line breaks."""
    data = text.encode()
    if text.isascii() and not has_long_line(data):
        return "7bit", data
    special = data.translate(None, _LITERAL)
    if len(data) + 2 * len(special) > len(data) * 78 // 57:
        return "base64", b"".join(base64_lines(data))
    plain = len(data) <= _LARGE and not special.strip(b"=")
    return "quoted-printable", _quoted_lines(data) if plain else quoted_bytes(data)


def _quoted_lines(data: bytes) -> bytes:
    """What ``quoted_bytes`` does, for text in which only ``=`` is special: four times as fast, but in many pieces."""
    escaped = data.replace(b"=", b"=3D")
    lines = escaped.split(b"\r\n") if b"\n" in escaped else [escaped]
    return b"\r\n".join(
        [line if len(line) <= 76 and line[-1:] not in (b" ", b"\t") else _fitted(line) for line in lines]
    )


def _fitted(line: bytes) -> bytes:
    """A line with its escapes as lines of at most 76 columns, none of which ends in white space."""
    if line[-1:] in (b" ", b"\t"):
        line = line[:-1] + b"=%02X" % line[-1]
    return b"=\r\n".join(_PIECES(line)) if len(line) > 76 else line


def quoted_bytes(data: bytes) -> bytes:
    """Quoted-printable of text with CRLF line breaks (RFC 2045 section 6.7)."""
    encoded = binascii.b2a_qp(data)
    # It breaks lines as the first line of its input does, and by LF alone where that has no second line.
    return encoded if b"\r\n" in data else encoded.replace(b"\n", b"\r\n")


def base64_lines(data: bytes) -> Iterator[bytes]:
    """The content as lines of 76 columns, in blocks."""
    view = memoryview(data)
    for start in range(0, len(data), _BLOCK):
        encoded = binascii.b2a_base64(view[start : start + _BLOCK], newline=False)
        if len(encoded) == _BLOCK_LINES.size:
            lines: Sequence[bytes] = _BLOCK_LINES.unpack(encoded)
        else:
            lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
        yield b"\r\n".join((*lines, b""))


def as_message(content: bytes) -> bytes | None:
    """The content of a ``message/*`` part in the only encoding it may have (RFC 2046 section 5.2.1), if it can."""
    if not content.isascii():
        return None
    if b"\r" not in content:
        content = content.replace(b"\n", b"\r\n")
    if not is_crlf_only(content) or has_long_line(content):
        return None
    return content
