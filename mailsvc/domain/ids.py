"""Identifiers: a prefix that says what it names, and a ULID that sorts by time of making."""

import os
import threading

from mailsvc import clock

PREFIXES = frozenset(
    {"msg", "dlv", "evt", "att", "rly", "mbx", "whk", "whd", "arr", "sup", "tpl", "key", "app", "wrk", "req"}
)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_SPACE = (1 << 80) - 1
_lock = threading.Lock()
_last_ms = 0
_last_random = 0


def new_id(prefix: str) -> str:
    """A new identifier such as ``msg_01hf3x…``: 48 bits of milliseconds, 80 bits of chance.

    Identifiers made by one process always ascend, also within a millisecond and when the clock steps back,
    so that rows are appended to their index rather than scattered over it.
    """
    global _last_ms, _last_random  # noqa: PLW0603 - one sequence a process
    ms = clock.now() // 1000
    with _lock:
        if ms > _last_ms:
            _last_ms, _last_random = ms, int.from_bytes(os.urandom(10), "big") >> 1
        else:
            _last_random += 1 + int.from_bytes(os.urandom(4), "big")
            if _last_random > _SPACE:
                _last_ms, _last_random = _last_ms + 1, int.from_bytes(os.urandom(10), "big") >> 1
        value = (_last_ms << 80) | _last_random
    return prefix + "_" + "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def is_id(text: str, prefix: str) -> bool:
    """Whether the text has the form of an identifier with this prefix."""
    head, _, tail = text.partition("_")
    return head == prefix and len(tail) == 26 and all(c in _ALPHABET for c in tail)
