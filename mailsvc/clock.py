"""The only place that reads the time.

An instant in mailsvc is an ``int``: microseconds since 1970-01-01T00:00:00Z. All databases compare, add and store it in
the same way, and it costs nothing on the hot path. The API renders it as RFC 3339.
"""

import re
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def now() -> int:
    """The wall clock, in microseconds since the epoch: for times that people read (``Date``, ``created_at``)."""
    return time.time_ns() // 1000


monotonic = time.monotonic
"""Seconds on a clock that never jumps; only differences are meaningful."""


class SteadyClock:
    """The wall clock for the queue's arithmetic: follows the wall clock forward and never goes back.

    If the wall clock is set back, this clock runs at half speed until the wall clock has caught up. So everything that
    is due stays due, and no lease grows by the size of the step.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = now()
        self._ticks = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def now(self) -> int:
        """Microseconds since the epoch."""
        with self._lock:
            wall, ticks = now(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            elapsed = max(0, (ticks - self._ticks) // 1000)
            self._ticks = ticks
            self._now = max(wall, self._now + elapsed // 2)
            return self._now


def rfc3339(instant: int) -> str:
    """``1700000000000000`` → ``"2023-11-14T22:13:20.000000Z"`` (RFC 3339)."""
    second, micros = divmod(instant, SECOND)
    return f"{_to_the_second(second)}.{micros:06d}Z"


@lru_cache(maxsize=64)
def _to_the_second(second: int) -> str:
    return as_datetime(second * SECOND).replace(tzinfo=None).isoformat()


def parse_rfc3339(text: str) -> int:
    """The instant that an RFC 3339 time with an offset names.

    Raises:
        ValueError: the text is not RFC 3339, or has no offset.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("not an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(text.upper())
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise ValueError("not a time that exists") from error


def as_datetime(instant: int) -> datetime:
    """The instant as an aware ``datetime`` in UTC."""
    return _EPOCH + timedelta(microseconds=instant)
