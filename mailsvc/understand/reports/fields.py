"""Reads the groups of fields that reports consist of (RFC 3464 section 2.1, RFC 6533), as leniently as programs write them."""

import re
from typing import NamedTuple

__all__ = ["Fields", "StatusFields", "address_in", "name_in", "status_fields"]

Fields = dict[str, str]  # names in lower case, values unfolded; the first of each name

_FIELD = re.compile(r"(?:> ?)?([A-Za-z][A-Za-z0-9-]{1,60})[ \t]{0,4}:[ \t]*(.*)")
_RECIPIENT = ("final-recipient", "original-recipient", "x-actual-recipient")
_OF_RECIPIENT = frozenset([*_RECIPIENT, "action", "status", "diagnostic-code", "remote-mta", "last-attempt-date"])
_MAX_RECIPIENTS = 1000
_MAX_LOCAL = 64  # characters, RFC 5321 section 4.5.3.1.1

# RFC 3464 section 2.3.2: the type, a semicolon, the address.
_TYPE = re.compile(r"^[A-Za-z0-9-]{1,20}[ \t]*;[ \t]*")
_ADDRESS = re.compile(
    r"(\"(?:[^\"\\]|\\.){1,64}\"|[^\s<>()\",;:@]{1,128})@(\[[0-9A-Fa-f:.IPv]{2,60}\]|[^\s<>()\",;:@]{1,255})"
)
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")  # RFC 6533 section 3, utf-8-addr-xtext


class StatusFields(NamedTuple):
    """The fields about the message, and those about each recipient."""

    of_message: Fields
    of_recipients: list[Fields]


def status_fields(text: str) -> StatusFields:
    """Return the groups of a delivery status.

    Some programs write no empty line between recipients, others write some inside a group, so that a repeated name begins
    a new group, and fields of a recipient in a group of their own belong to the recipient before.
    """
    of_message: Fields = {}
    of_recipients: list[Fields] = []
    for group in _groups(text):
        if any(name in group for name in _RECIPIENT):
            of_recipients.append(group)
        elif of_recipients and not group.keys().isdisjoint(_OF_RECIPIENT):
            of_recipients[-1] = group | of_recipients[-1]
        else:
            of_message = group | of_message
    if of_recipients and not of_message:
        of_message = of_recipients[0]
    return StatusFields(of_message, of_recipients[:_MAX_RECIPIENTS])


def _groups(text: str) -> list[Fields]:
    groups: list[Fields] = [{}]
    name = ""
    for line in text.split("\n"):
        if not line.strip():
            groups.append({})
            name = ""
        elif line[0] in " \t" and name:
            groups[-1][name] += " " + line.strip()
        elif match := _FIELD.match(line):
            name = match[1].lower()
            if name in groups[-1]:
                groups.append({})
            groups[-1][name] = match[2].strip()
    return [group for group in groups if group]


def address_in(value: str | None) -> str | None:
    """Return the bare address of a recipient field; one without a domain as it is, None if there is none."""
    bare = _TYPE.sub("", (value or "").strip())
    found = _ADDRESS.search(bare)
    if found is None:
        bare = bare.strip("<> \t'\"")
        return bare if bare.isprintable() and bare and " " not in bare and len(bare) <= _MAX_LOCAL else None
    return _ESCAPED.sub(_character, found[0])


def _character(escaped: re.Match[str]) -> str:
    point = int(escaped[1], 16)
    return chr(point) if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF and point > 0x20 else "\ufffd"


def name_in(value: str | None) -> str | None:
    """Return the name of an MTA field without its type and comments, None if there is none."""
    words = _TYPE.sub("", (value or "").strip()).split()
    return words[0].strip("[]()")[:255] or None if words else None
