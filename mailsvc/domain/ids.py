"""Identifiers: a prefix for the kind of object, and a ULID that sorts by creation time."""

import hashlib
import os
import random
import threading

from mailsvc import clock

__all__ = ["ALPHABET", "delivery_id", "is_id", "new_id"]

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_LOW_BITS = 40


def new_id(prefix: str) -> str:
    """Return a new identifier such as ``msg_01hf3x…``: 48 bits of milliseconds, 80 random bits.

    Identifiers created by one thread always ascend, even within a millisecond and if the clock is set back, so that
    rows are appended to their index and not scattered over it.
    """
    sequence = getattr(_mine, "sequence", None)
    if sequence is None:
        sequence = _mine.sequence = _Sequence()
    return f"{prefix}_{sequence.next()}"


def is_id(text: str, prefix: str) -> bool:
    """Whether the text has the form of an identifier with this prefix."""
    head, _, tail = text.partition("_")
    return head == prefix and len(tail) == 26 and all(c in ALPHABET for c in tail)


def delivery_id(message_id: str, place: int) -> str:
    """Return the id of a delivery of a message whose id the application chose: the same in every process.

    The deliveries of a message ascend with their places, because they are listed by id.

    Args:
        message_id: ``msg_…``; its time is the delivery's, too.
        place: of the recipient in the message, from 0.
    """
    digest = hashlib.blake2b(f"{message_id} {place}".encode(), digest_size=8).digest()
    number = (place & 0xFFFF) << 64 | int.from_bytes(digest, "big")
    return f"dlv_{message_id[4:14]}" + "".join([_PAIRS[number >> shift & 1023] for shift in range(70, -1, -10)])


class _Sequence:
    """One thread's identifiers. Half of the random bits are new every millisecond; the other half counts up within it.

    It uses no lock and no system call: either would let another thread run, in the middle of every message.
    """

    def __init__(self) -> None:
        self._chance = random.Random(os.urandom(32))  # noqa: S311 - unique, not secret
        self._ms = 0
        self._head = ""
        self._low = 0

    def next(self) -> str:
        ms = clock.now() // 1000
        self._low += 1
        if ms > self._ms:
            self._begin(ms)
        elif self._low >> _LOW_BITS:
            self._begin(self._ms + 1)
        low = self._low
        return (
            f"{self._head}{_PAIRS[low >> 30]}{_PAIRS[low >> 20 & 1023]}{_PAIRS[low >> 10 & 1023]}{_PAIRS[low & 1023]}"
        )

    def _begin(self, ms: int) -> None:
        self._ms, self._low = ms, self._chance.getrandbits(_LOW_BITS - 1)
        head = (ms << 40) | self._chance.getrandbits(40)
        self._head = "".join([_PAIRS[head >> shift & 1023] for shift in range(80, -1, -10)])


_mine = threading.local()


def _forget() -> None:
    """Discard the state: a forked process must not continue its parent's numbers."""
    _mine.__dict__.clear()


os.register_at_fork(after_in_child=_forget)
