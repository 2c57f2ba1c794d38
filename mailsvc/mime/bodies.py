"""Encodes bodies: 7bit if that is lossless, else quoted-printable or base64 (RFC 2045)."""

import binascii
import re
import struct
from collections.abc import Iterator, Sequence

from mailsvc.mime.wire import has_long_line, is_crlf_only

_LITERAL = b"\t\r\n" + bytes(range(32, 127)).replace(b"=", b"")  # needs no escape in quoted-printable
_LARGE = 1 << 20  # octets of text that is too large to be split into lines
_PIECES = re.compile(rb".{1,75}(?<!=)(?<!=.)", re.DOTALL).findall  # never splits an escape
_BLOCK = 57 * 1024  # input of base64 per step: whole lines, and the whole attachment never twice in memory
_BLOCK_LINES = struct.Struct("76s" * 1024)  # cuts the lines of a whole block in one call


def encode_text(text: str) -> tuple[str, bytes]:
    """Return the transfer encoding and the body for a text with CRLF line breaks."""
    data = text.encode()
    if text.isascii() and not has_long_line(data):
        return "7bit", data
    special = data.translate(None, _LITERAL)
    if len(data) + 2 * len(special) > len(data) * 78 // 57:
        return "base64", b"".join(base64_lines(data))
    plain = len(data) <= _LARGE and not special.strip(b"=")
    return "quoted-printable", _quoted_lines(data) if plain else quoted_bytes(data)


def _quoted_lines(data: bytes) -> bytes:
    """As ``quoted_bytes``, for text in which only ``=`` is special: four times as fast, but with many small objects."""
    escaped = data.replace(b"=", b"=3D")
    lines = escaped.split(b"\r\n") if b"\n" in escaped else [escaped]
    return b"\r\n".join(
        [line if len(line) <= 76 and line[-1:] not in (b" ", b"\t") else _fitted(line) for line in lines]
    )


def _fitted(line: bytes) -> bytes:
    """Return an escaped line as lines of at most 76 columns, none of which ends in white space."""
    if line[-1:] in (b" ", b"\t"):
        line = line[:-1] + b"=%02X" % line[-1]
    return b"=\r\n".join(_PIECES(line)) if len(line) > 76 else line


def quoted_bytes(data: bytes) -> bytes:
    """Return text with CRLF line breaks as quoted-printable (RFC 2045 section 6.7)."""
    encoded = binascii.b2a_qp(data)
    # b2a_qp breaks lines in the style of its input's first line, and with a single LF if there is no second line.
    return encoded if b"\r\n" in data else encoded.replace(b"\n", b"\r\n")


def base64_lines(data: bytes) -> Iterator[bytes]:
    """Return the content as base64 in lines of 76 columns, in blocks."""
    view = memoryview(data)
    for start in range(0, len(data), _BLOCK):
        encoded = binascii.b2a_base64(view[start : start + _BLOCK], newline=False)
        if len(encoded) == _BLOCK_LINES.size:
            lines: Sequence[bytes] = _BLOCK_LINES.unpack(encoded)
        else:
            lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
        yield b"\r\n".join((*lines, b""))


def as_message(content: bytes) -> bytes | None:
    """Return the content of a ``message/*`` part in its only allowed encoding (RFC 2046 section 5.2.1), or None."""
    if not content.isascii():
        return None
    if b"\r" not in content:
        content = content.replace(b"\n", b"\r\n")
    if not is_crlf_only(content) or has_long_line(content):
        return None
    return content
