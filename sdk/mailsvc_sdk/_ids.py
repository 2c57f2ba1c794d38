"""Ids as the service makes them: they sort by time."""

import secrets
import time
from itertools import count

__all__ = ["new_id", "new_message_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_order = count(secrets.randbits(39))


def new_id(prefix: str) -> str:
    """Return an id such as ``msg_01hf3x…``: a ULID in lower case."""
    # A number comes before chance, so that ids of one millisecond sort too.
    value = (int(time.time() * 1000) << 80) | ((next(_order) & 0xFFFFFFFFFF) << 40) | secrets.randbits(40)
    return f"{prefix}_" + "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -5, -5))


def new_message_id() -> str:
    """Return a new id for a message, for a row of ``mailsvc_submission``."""
    return new_id("msg")
