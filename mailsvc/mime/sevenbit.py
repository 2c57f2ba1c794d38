"""Converts an 8-bit message to 7-bit (RFC 2045, RFC 6152 section 3): only the encoding of 8-bit parts is changed."""

import re
from email.errors import MultipartInvariantViolationDefect
from email.parser import BytesHeaderParser
from email.policy import compat32
from itertools import pairwise
from typing import Any

from mailsvc.mime.bodies import base64_lines, quoted_bytes
from mailsvc.mime.obsolete import without_obsolete_space

__all__ = ["seven_bit"]

MOST_DEPTH = 50
# More than real mail has: they would take time for which others wait.
MOST_DELIMITERS = 20_000
MOST_HEADER = 16_384  # bytes of a part's header

_ENCODING = re.compile(
    rb"^content-transfer-encoding[ \t]*:[^\r\n]*(?:\r\n[ \t]+[^\r\n]*)*\r\n", re.IGNORECASE | re.MULTILINE
)
_MIME_VERSION = re.compile(rb"^mime-version[ \t]*:", re.IGNORECASE | re.MULTILINE)
_CONTENT_TYPE = re.compile(rb"^content-type[ \t]*:", re.IGNORECASE | re.MULTILINE)
_SIGNATURE = re.compile(rb"^(dkim-signature|domainkey-signature|arc-[a-z-]+)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_SIGNED = ("multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
_OF_MESSAGES = ("multipart/digest",)  # its parts are messages by default (RFC 2046 section 5.1.5), and can't be encoded
_CLEAR = b"-----BEGIN PGP SIGNED MESSAGE-----"
_ENCODABLE = ("7bit", "8bit", "binary", "")
# A type alone, or before its parameters or a comment: anything else is ambiguous.
_KIND = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(?:[;(]|\Z)", re.ASCII)
# Not the default policy: it parses the full grammar of a Content-Type, and takes seconds for a large one.
_PARSER = BytesHeaderParser(policy=compat32)


def seven_bit(content: bytes) -> bytes:
    """Return the message with a 7-bit body, if that leaves signed parts unchanged; its header is not changed.

    Args:
        content: with CRLF line breaks.
    """
    if content.isascii():
        return content
    head, _, body = content.partition(b"\r\n\r\n")
    if body.isascii() or _SIGNATURE.search(head) or _CLEAR in body or body.count(b"\r\n--") > MOST_DELIMITERS:
        return content
    changed = _entity(_declared(head, body) + b"\r\n\r\n" + body, MOST_DEPTH)
    return content if changed is None else changed


def _declared(head: bytes, body: bytes) -> bytes:
    """Return the header with the fields that a transfer encoding needs (RFC 2045 section 4), and the text's charset."""
    if not _MIME_VERSION.search(head):
        head += b"\r\nMIME-Version: 1.0"
    if not _CONTENT_TYPE.search(head) and _is_utf8(body):
        head += b"\r\nContent-Type: text/plain; charset=utf-8"
    return head


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _entity(content: bytes, depth: int) -> bytes | None:
    """Return the encoded entity; None if a part of it must not be changed."""
    head, gap, body = content.partition(b"\r\n\r\n")
    if body.isascii():
        return content
    header = _header(head)
    kind = "" if header is None else _kind(header)
    if header is None or depth == 0 or not kind or kind in _SIGNED:
        return None
    if kind.startswith("multipart/"):
        parts = None if kind in _OF_MESSAGES else _parts(body, _boundary(header), depth)
        return None if parts is None else _with_encoding(head, b"7bit") + gap + parts
    if kind.startswith("message/"):
        inner = None if _SIGNATURE.search(body.partition(gap)[0]) else _entity(body, depth - 1)
        # An 8-bit header is not changed, and is no 7bit content.
        return _with_encoding(head, b"7bit") + gap + inner if inner is not None and inner.isascii() else None
    if str(header.get("content-transfer-encoding", "")).strip().lower() not in _ENCODABLE:
        return None
    if kind.startswith("text/"):
        return _with_encoding(head, b"quoted-printable") + gap + quoted_bytes(body)
    return _with_encoding(head, b"base64") + gap + b"".join(base64_lines(body))


def _header(head: bytes) -> Any:
    """Return the header if it is unambiguous; else None."""
    if len(head) > MOST_HEADER:
        return None
    try:
        header = _PARSER.parsebytes(without_obsolete_space(head) + b"\r\n\r\n")
    except Exception:  # noqa: BLE001 - the stdlib parser fails in many ways on odd headers; then nothing is changed
        return None
    # The defect of a multipart without parts is reported because only headers are parsed.
    defects = [defect for defect in header.defects if not isinstance(defect, MultipartInvariantViolationDefect)]
    is_twice = any(len(header.get_all(name, [])) > 1 for name in ("content-type", "content-transfer-encoding"))
    return None if defects or is_twice else header


def _boundary(header: Any) -> str:
    try:
        return str(header.get_boundary(""))
    except ValueError:  # a parameter's number with more digits than Python accepts
        return ""


def _kind(header: Any) -> str:
    """Return the media type in lower case; empty if it is ambiguous."""
    match = _KIND.match(str(header.get("content-type", "text/plain")))
    return match[1].lower() if match else ""


def _parts(body: bytes, boundary: str, depth: int) -> bytes | None:
    """Return the parts between these boundaries, each encoded."""
    if not boundary or not boundary.isascii():
        return None
    marks = list(re.finditer(rb"(?:^|(?<=\r\n))--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?:\r\n|$)", body))
    if not marks or not marks[-1][1]:
        return None
    out = [body[: marks[0].end()]]
    for mark, following in pairwise(marks):
        part = _part(body[mark.end() : following.start() - 2], depth)
        if part is None:
            return None
        out += [part, b"\r\n", following[0]]
    out.append(body[marks[-1].end() :])
    whole = b"".join(out)
    return whole if whole.isascii() else None


def _part(part: bytes, depth: int) -> bytes | None:
    # A part without a header begins with the empty line.
    inner = b"\r\n" + part if part.startswith(b"\r\n") else part
    changed = _entity(inner, depth - 1)
    if changed is None or inner is part:
        return changed
    return changed.removeprefix(b"\r\n")


def _with_encoding(head: bytes, encoding: bytes) -> bytes:
    """Return the header with this transfer encoding, in the place of the old one or at the end."""
    line = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    block = head + b"\r\n" if head else b""
    changed, count = _ENCODING.subn(line, block, count=1)
    return (changed if count else block + line)[:-2]
