"""JSON in its stored form."""

from typing import Any

import msgspec

__all__ = ["compact"]

_encode = msgspec.json.Encoder(order="sorted").encode


def compact(value: Any) -> str:
    """Return JSON in one canonical form, so that a filter can search for a part of it."""
    return _encode(value).decode()
