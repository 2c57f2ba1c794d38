"""JSON in its stored form."""

from typing import Any

import msgspec

__all__ = ["compact", "object_in"]

_encode = msgspec.json.Encoder(order="sorted").encode


def compact(value: Any) -> str:
    """Return JSON in one canonical form, so that a filter can search for a part of it."""
    return _encode(value).decode()


def object_in(value: Any) -> dict[str, Any]:
    """Return the object in a stored text; an empty one if the text is damaged, for readers of many rows."""
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, TypeError, UnicodeEncodeError):
        return {}
    return found if isinstance(found, dict) else {}
