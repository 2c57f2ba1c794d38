"""FETCH (RFC 3501 section 6.4.5): which items a client wants, and a mail's response."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from mailsvc.imap.server.arguments import Argument, parse_arguments
from mailsvc.imap.server.folder import StoredMail
from mailsvc.imap.server.refused import Refused

__all__ = ["Wanted", "internal_date", "parse_items", "response"]

_BODY = re.compile(rb"(BODY|BODY\.PEEK)\[([^\]]*)\](?:<([0-9]{1,10})\.([1-9][0-9]{0,9})>)?", re.IGNORECASE)
_FIELDS = re.compile(rb"HEADER\.FIELDS(\.NOT)? (\(.+\))", re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"^([^:\r\n]+):[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)", re.MULTILINE)
_MACROS = {"FAST": [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"]}
_OLD_NAMES = {"RFC822": b"BODY[]", "RFC822.HEADER": b"BODY.PEEK[HEADER]", "RFC822.TEXT": b"BODY[TEXT]"}
_PLAIN = ("UID", "FLAGS", "RFC822.SIZE", "INTERNALDATE")

Cut = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of the mail, and the name that the response gives it."""

    name: bytes
    cut: Cut


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants of each mail."""

    plain: frozenset[str]
    sections: tuple[_Section, ...]
    marks_seen: bool


def parse_items(items: Iterable[Argument], *, by_uid: bool) -> Wanted:
    """Read the list of items. Raises Refused."""
    plain, sections, marks_seen = {"UID"} if by_uid else set(), [], False
    for item in _spelt_out(items):
        if (name := item.decode("ascii", "replace").upper()) in _PLAIN:
            plain.add(name)
        elif found := _BODY.fullmatch(_OLD_NAMES.get(name, item)):
            sections.append(_section(found, name if name in _OLD_NAMES else None))
            marks_seen |= found[1].upper() == b"BODY"
        else:
            raise Refused(f"{name} can't be fetched from this small server")
    return Wanted(frozenset(plain), tuple(sections), marks_seen)


def response(number: int, mail: StoredMail, content: bytes, wanted: Wanted) -> bytes:
    """Return the response for a mail.

    Args:
        content: of the mail; not needed without sections.
    """
    parts = []
    if "UID" in wanted.plain:
        parts.append(b"UID %d" % mail.uid)
    if "RFC822.SIZE" in wanted.plain:
        parts.append(b"RFC822.SIZE %d" % mail.size)
    if "INTERNALDATE" in wanted.plain:
        parts.append(b'INTERNALDATE "%b"' % internal_date(mail.received_at))
    if "FLAGS" in wanted.plain:
        parts.append(b"FLAGS (%b)" % " ".join(sorted(mail.flags)).encode())
    for section in wanted.sections:
        data = section.cut(content)
        parts.append(b"%b {%d}\r\n%b" % (section.name, len(data), data))
    return b"* %d FETCH (%b)\r\n" % (number, b" ".join(parts))


def internal_date(received_at: int) -> bytes:
    """Return the date as IMAP writes it (``date-time``)."""
    _, _, date = format_datetime(datetime.fromtimestamp(received_at, UTC)).partition(", ")
    return date.replace(" ", "-", 2).encode()


def _spelt_out(items: Iterable[Argument]) -> Iterable[bytes]:
    for item in items:
        if isinstance(item, list):
            raise Refused("a list within the list of items")
        yield from _MACROS.get(item.decode("ascii", "replace").upper(), [item])


def _section(found: re.Match[bytes], old_name: str | None) -> _Section:
    cut, name = _cut(found[2]), old_name.encode() if old_name else b"BODY[%b]" % found[2].upper()
    if found[3] is None:
        return _Section(name, cut)
    start, end = int(found[3]), int(found[3]) + int(found[4])
    return _Section(b"%b<%d>" % (name, start), lambda content: cut(content)[start:end])


def _cut(section: bytes) -> Cut:
    match section.upper():
        case b"":
            return lambda content: content
        case b"HEADER":
            return lambda content: _parted(content)[0]
        case b"TEXT":
            return lambda content: _parted(content)[1]
    if fields := _FIELDS.fullmatch(section):
        (listed,) = parse_arguments(fields[2])
        names = {name.lower() for name in listed if isinstance(name, bytes)}
        is_wanted = fields[1] is None
        return lambda content: _fields(_parted(content)[0], names, is_wanted=is_wanted)
    raise Refused("single parts of a mail can't be fetched from this small server")


def _parted(content: bytes) -> tuple[bytes, bytes]:
    """The header with the empty line behind it, and the text."""
    blank = _BLANK_LINE.search(content)
    end = blank.end() if blank else len(content)
    return content[:end], content[end:]


def _fields(header: bytes, names: set[bytes], *, is_wanted: bool) -> bytes:
    chosen = [found[0] for found in _FIELD.finditer(header) if (found[1].strip().lower() in names) is is_wanted]
    return b"".join(chosen) + b"\r\n"
