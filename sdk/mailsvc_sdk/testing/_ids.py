"""Ids as the service makes them: they sort by time."""

import secrets
import time
from itertools import count

__all__ = ["new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_order = count()


def new_id(prefix: str) -> str:
    """Return an id such as ``msg_01hf3x…``."""
    # The number of the id comes before chance, so that ids of one millisecond sort too.
    value = (int(time.time() * 1000) << 80) | ((next(_order) & 0xFFFFFFFFFF) << 40) | secrets.randbits(40)
    return f"{prefix}_" + "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -5, -5))
