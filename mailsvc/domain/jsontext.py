"""JSON as it is stored."""

from typing import Any

import msgspec

__all__ = ["compact"]

_encode = msgspec.json.Encoder(order="sorted").encode


def compact(value: Any) -> str:
    """JSON in one canonical spelling, so that a filter can look for a part of it."""
    return _encode(value).decode()
