"""Undoes the content transfer encodings (RFC 2045 section 6), and uuencode, block by block. Damage never raises."""

import binascii
import re
from collections.abc import Iterator
from itertools import islice

__all__ = ["decode_base64", "decoded_blocks"]

_BLOCK = 1 << 20  # octets
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(sorted(set(range(256)) - set(_BASE64)))
# Relays add white space at the end of a line (RFC 2045 section 6.7 rule 3).
_PADDED_BREAK = re.compile(rb"=[ \t]+(?=\r?\n)")
_LINE = re.compile(rb"[^\r\n]+")
_MAX_UU_LINES = 500_000  # 25 MiB are 430,000 lines of the usual length
_UU_BEGIN = re.compile(rb"^begin[ \t]+[0-7]{3,4}[ \t][^\n]*\n", re.MULTILINE)


def decoded_blocks(body: memoryview, encoding: str) -> Iterator[bytes]:
    """Yield the content of a body; an unknown encoding is taken for none.

    Args:
        encoding: value of ``Content-Transfer-Encoding`` in lower case.
    """
    match encoding:
        case "base64":
            return decode_base64(body)
        case "quoted-printable":
            return _decode_quoted(body)
        case "x-uuencode" | "uuencode" | "x-uue" | "uue":
            return _decode_uu(body)
        case _:
            return map(bytes, _blocks(body))


def _blocks(body: memoryview | bytes) -> Iterator[memoryview | bytes]:
    return (body[at : at + _BLOCK] for at in range(0, len(body), _BLOCK))


def decode_base64(body: memoryview | bytes) -> Iterator[bytes]:
    """Yield what was encoded up to the padding. Other characters are skipped, an incomplete end is left out."""
    rest = b""
    for block in _blocks(body):
        characters, padding, _ = (rest + bytes(block).translate(None, _NOT_BASE64)).partition(b"=")
        whole = len(characters) // 4 * 4
        yield binascii.a2b_base64(characters[:whole])
        rest = characters[whole:]
        if padding:
            break
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"==")


def _decode_quoted(body: memoryview) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        block = bytes(body[at : at + _BLOCK])
        # A block ends with a line, so that no escape is cut, unless the line is longer than the block.
        if at + len(block) < len(body):
            block = block[: block.rfind(b"\n") + 1] or block
        at += len(block)
        yield binascii.a2b_qp(_PADDED_BREAK.sub(b"=", block))


def _decode_uu(body: memoryview) -> Iterator[bytes]:
    data = bytes(body)
    begin = _UU_BEGIN.search(data)
    for line in islice(_LINE.finditer(data, begin.end() if begin else 0), _MAX_UU_LINES):
        if line[0] == b"end":
            return
        yield _uu_line(line[0])


def _uu_line(line: bytes) -> bytes:
    # Some encoders pad a line with more characters than its first one announces.
    announced = (((line[0] - 32) & 63) * 4 + 5) // 3
    try:
        return binascii.a2b_uu(line[:announced])
    except binascii.Error:
        return b""
