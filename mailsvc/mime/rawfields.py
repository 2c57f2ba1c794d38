"""Parses the header block of a message that an application composed: strictly, and without changing a byte."""

import re
from dataclasses import dataclass

from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.mime.wire import has_long_line, is_crlf_only

__all__ = ["RawField", "checked_content", "split_fields"]

MAX_HEADER = 256 * 1024  # bytes

# White space before the colon is obsolete, but allowed (RFC 5322 section 4.5).
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\r\n]*(?:\r\n[ \t]+[^\r\n \t][^\r\n]*)*)\r\n")

# RFC 5322 section 3.6 and RFC 2045: if one occurs twice, two readers see two different messages.
_ONCE = frozenset(
    [
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "message-id",
        "in-reply-to",
        "references",
        "subject",
        "date",
        "return-path",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
    ]
)


@dataclass(frozen=True, slots=True)
class RawField:
    """One header field, unchanged."""

    key: str  # the name in lower case
    value: str  # unfolded, without outer white space
    raw: bytes  # all its lines with their CRLF


def checked_content(raw: bytes) -> bytes:
    """Return the message with CRLF line breaks and an empty line after its header; a Unix file with LF is converted.

    Raises:
        Invalid: it can't be sent unchanged.
    """
    if b"\0" in raw:
        raise _refused("must not contain NUL; encode binary parts in base64")
    content = raw if b"\r" in raw else raw.replace(b"\n", b"\r\n")
    if not is_crlf_only(content):
        raise _refused("mixes CRLF with single CR or LF characters; end every line with CRLF")
    if has_long_line(content):
        detail = "has a line over 998 octets, and encoding it anew could break signatures"
        raise _refused(f"{detail}; use base64 or quoted-printable for that part, or fold that header")
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return content if b"\r\n\r\n" in content else content + b"\r\n"


def split_fields(content: bytes) -> tuple[list[RawField], int]:
    """Return the header fields and the position of the body.

    Raises:
        Invalid: the header is ambiguous.
    """
    end = content.find(b"\r\n\r\n")
    if not -1 < end <= MAX_HEADER:
        raise _refused(f"has a header over {MAX_HEADER} bytes; shorten it")
    fields: list[RawField] = []
    position = 0
    while position < end + 2:
        match = _FIELD.match(content, position)
        if match is None:
            raise _refused(_bad_line(content[position : position + 60]))
        fields.append(_field(match))
        position = match.end()
    _require_once(fields)
    return fields, end + 4


def _field(match: re.Match[bytes]) -> RawField:
    name = match[1].decode("ascii")
    try:
        value = match[2].decode().replace("\r\n", "")
    except UnicodeDecodeError as error:
        detail = f"{name}: has bytes that are not UTF-8; encode them as RFC 2047 says"
        raise _refused(detail) from error
    return RawField(name.lower(), value.strip(" \t"), match[0])


def _require_once(fields: list[RawField]) -> None:
    seen: set[str] = set()
    for field in fields:
        if field.key in seen and field.key in _ONCE:
            raise _refused(f"has more than one {field.key.title()} field; keep one")
        seen.add(field.key)


def _bad_line(line: bytes) -> str:
    shown = ascii(line.partition(b"\r\n")[0].decode("utf-8", "replace"))
    if line.startswith(b"From "):
        return "begins with a mailbox separator (From …); leave that line out"
    if line.startswith((b" ", b"\t")):
        return "has a header line of nothing but white space, which readers take differently; leave it out"
    if line.startswith(b"\r\n"):
        return "begins with an empty line, so it has no header; begin with a header field"
    return f"has a header line that is no field: {shown}; write it as Name: value"


def _refused(detail: str) -> Invalid:
    return Invalid(FieldError("body", detail))
