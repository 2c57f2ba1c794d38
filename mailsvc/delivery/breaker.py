"""A relay's breaker: closed while it works, open while it is left alone, then one session tries. Time comes in as an argument.

A session has worked when a transaction got a verdict about a message; that a login succeeded says nothing.
"""

from mailsvc.domain.backoff import FAILURES_TO_OPEN
from mailsvc.smtp.trouble import RelayTrouble

__all__ = ["Breaker", "ReturnBackoff"]

MOST_REMEMBERED = 10_000
FIRST_WAIT, LONGEST_WAIT = 0.5, 300.0


class Breaker:
    """Counts what sessions came to; ``now`` is on the monotonic clock."""

    def __init__(self) -> None:
        self.failures = 0  # sessions that failed in a row
        self.times_opened = 0  # since the relay last worked
        self.trouble: RelayTrouble | None = None  # the last one, until it works again
        self.changed_at = float("-inf")
        self._until: float | None = None  # None while it is closed

    @property
    def is_closed(self) -> bool:
        return self._until is None

    def is_open(self, now: float) -> bool:
        """Whether the relay is left alone."""
        return self._until is not None and now < self._until

    def is_trying(self, now: float) -> bool:
        """Whether the wait is over, and one session finds out."""
        return self._until is not None and now >= self._until

    def failed(self, trouble: RelayTrouble, now: float) -> bool:
        """A session failed; the answer is whether the relay is to be left alone from now on."""
        self.failures, self.trouble = self.failures + 1, trouble
        if self.is_open(now):
            return False  # it began before
        return trouble.is_auth or trouble.is_ours or self.failures >= FAILURES_TO_OPEN or not self.is_closed

    def open(self, seconds: float, now: float) -> None:
        """Leave the relay alone for this long."""
        self._until, self.changed_at = now + seconds, now

    def worked(self, now: float) -> bool:
        """A message got a verdict; the answer is whether this ends a pause.

        What was under way while it opened says nothing about how new sessions would fare.
        """
        if self.is_open(now):
            return False
        was_trying = not self.is_closed
        self.close(now)
        return was_trying

    def close(self, now: float) -> None:
        """All is well, or somebody says so."""
        if not self.is_closed:
            self.changed_at = now
        self._until, self.failures, self.times_opened, self.trouble = None, 0, 0, None

    def adopt(self, times_opened: int, now: float) -> None:
        """Another process left the relay alone; its wait is not ours to count, but after it one session tries."""
        self._until, self.changed_at, self.times_opened = now, now, times_opened


class ReturnBackoff:
    """How long a message waits that came back unsent through no fault of its own: longer each time."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def after(self, message_id: str) -> float:
        """It came back again; the answer is how many seconds it waits."""
        if len(self._times) >= MOST_REMEMBERED:
            self._times.clear()
        times = self._times[message_id] = self._times.get(message_id, 0) + 1
        return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(times, 20)))

    def forget(self, message_id: str) -> None:
        """It went through, or got a verdict."""
        if self._times:
            self._times.pop(message_id, None)
