"""Finds out which message a report is about, from what is returned of it."""

import re

from mailsvc.understand.reports.fields import Fields
from mailsvc.understand.reports.material import Header, Material

__all__ = ["identifiers_of", "returned_ids"]

_IDENTIFIER = re.compile(r"<[!-;=?-~]{1,500}>")
_BARE = re.compile(r"[!-;=?-~]{1,500}@[!-;=?-~]{1,255}")
_MOST = 10

# The fields that carry a message's identifier in its own header: the relay's may be another one than ours.
_OF_HEADER = (
    "message-id",
    "x-original-message-id",
    "x-google-original-message-id",
    "original-message-id",
    "x-message-id",
)


def returned_ids(material: Material, fields: Fields | None = None) -> tuple[str, ...]:
    """Return the Message-IDs of the returned message, then those that the report itself names."""
    header = material.header
    found = identifiers_of(material.returned)
    found += _identifiers((fields or {}).get("x-original-message-id", ""))
    found += _identifiers(header.get("x-original-message-id", ""))
    return tuple(dict.fromkeys(found))[:_MOST]


def identifiers_of(header: Header) -> list[str]:
    """Return the identifiers of one message, from its header."""
    return [found for name in _OF_HEADER for found in _identifiers(header.get(name, ""))]


def _identifiers(value: str) -> list[str]:
    if found := _IDENTIFIER.findall(value):
        return found[-_MOST:]
    bare = _BARE.fullmatch(value.strip())
    return [f"<{bare[0]}>"] if bare else []
