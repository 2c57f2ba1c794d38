"""Decodes the encoded words of a header field (RFC 2047) in linear time, as leniently as mail programs do. Never raises."""

import binascii
import re
from collections.abc import Iterator

from mailsvc.domain.fieldtext import printable
from mailsvc.mime.arrived.charsets import decode, decode_unlabelled
from mailsvc.mime.arrived.transfer import decode_base64

__all__ = ["decode_words", "field_text", "unfolded"]

# charset, optionally "*" language (RFC 2231 section 5), encoding
_START = re.compile(r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?")
_FOLD = re.compile(r"[\r\n]+[ \t]*")

_Piece = tuple[str, bytes, str]  # plain text, or the octets of a word and their charset


def unfolded(value: bytes) -> str:
    """Return a field value on one line, its encoded words as they are."""
    text = decode_unlabelled(value)
    return (_FOLD.sub(" ", text) if "\n" in text or "\r" in text else text).strip()


def field_text(value: bytes) -> str:
    """Return a field value as text for people: unfolded, decoded, control characters replaced."""
    if value.isascii() and b"=?" not in value and (text := value.decode("ascii").strip()).isprintable():
        return text  # as most are
    return printable(decode_words(unfolded(value))).strip()


def decode_words(text: str) -> str:
    """Return the text with its encoded words decoded; a word that can't be read stays as it is."""
    return text if "=?" not in text else "".join(_decoded(_pieces(text)))


def _decoded(pieces: Iterator[_Piece]) -> Iterator[str]:
    """Neighbours in the same charset are decoded together: many writers split characters between words."""
    run: list[bytes] = []
    run_charset, gap = "", ""
    for plain, data, charset in pieces:
        if not charset:
            gap += plain
            continue
        # White space between encoded words does not count (RFC 2047 section 6.2).
        if run_charset and not gap.strip():
            gap = ""
        if run_charset != charset or gap:
            yield decode(b"".join(run), run_charset) + gap
            run, run_charset, gap = [], charset, ""
        run.append(data)
    yield decode(b"".join(run), run_charset) + gap


def _pieces(text: str) -> Iterator[_Piece]:
    at = 0
    while (start := text.find("=?", at)) >= 0:
        yield text[at:start], b"", ""
        head = _START.match(text, start)
        at = head.end() if head else start + 2
        if head is None:
            yield "=?", b"", ""
            continue
        end = text.find("?=", at)
        # A word that begins inside shows that this one was never ended.
        inner = text.rfind("=?", at, end) if end >= 0 else len(text)
        if inner >= 0:
            yield text[start:inner], b"", ""
            at = inner
        else:
            yield "", _octets(text[at:end], head[2]), head[1].lower()
            at = end + 2
    yield text[at:], b"", ""


def _octets(encoded: str, encoding: str) -> bytes:
    data = encoded.encode("utf-8", "replace")
    return binascii.a2b_qp(data, header=True) if encoding in "qQ" else b"".join(decode_base64(data))
