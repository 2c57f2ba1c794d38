"""A relay's circuit breaker: closed while the relay works, open while it is not used, then one session tries. Time is an argument.

A session has worked when a transaction got a verdict about a message; that a login succeeded says nothing.
"""

from mailsvc.domain.backoff import FAILURES_TO_OPEN
from mailsvc.smtp.trouble import RelayTrouble

__all__ = ["Breaker", "ReturnBackoff"]

MOST_REMEMBERED = 10_000
FIRST_WAIT, LONGEST_WAIT = 0.5, 300.0


class Breaker:
    """Counts the results of sessions; ``now`` is on the monotonic clock."""

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
        """Whether the relay must not be used."""
        return self._until is not None and now < self._until

    def is_trying(self, now: float) -> bool:
        """Whether the wait is over and one session may try."""
        return self._until is not None and now >= self._until

    def failed(self, trouble: RelayTrouble, now: float) -> bool:
        """Count a failed session. Returns whether the relay must not be used from now on."""
        self.failures, self.trouble = self.failures + 1, trouble
        if self.is_open(now):
            return False  # that session began before
        return trouble.is_auth or trouble.is_ours or self.failures >= FAILURES_TO_OPEN or not self.is_closed

    def open(self, seconds: float, now: float) -> None:
        """Do not use the relay for this long."""
        self._until, self.changed_at = now + seconds, now

    def worked(self, now: float) -> bool:
        """A message got a verdict. Returns whether this ends a pause.

        What was under way while it opened says nothing about how new sessions would fare.
        """
        if self.is_open(now):
            return False
        was_trying = not self.is_closed
        self.close(now)
        return was_trying

    def close(self, now: float) -> None:
        """Forget all failures."""
        if not self.is_closed:
            self.changed_at = now
        self._until, self.failures, self.times_opened, self.trouble = None, 0, 0, None

    def adopt(self, times_opened: int, now: float) -> None:
        """Another process opened its breaker: after its wait, one session tries."""
        self._until, self.changed_at, self.times_opened = now, now, times_opened


class ReturnBackoff:
    """How long a message waits after it came back unsent through no fault of its own; longer each time."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def after(self, message_id: str) -> float:
        """Count a return of the message. Returns the seconds to wait."""
        if len(self._times) >= MOST_REMEMBERED:
            self._times.clear()
        times = self._times[message_id] = self._times.get(message_id, 0) + 1
        return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(times, 20)))

    def forget(self, message_id: str) -> None:
        """The message got a verdict: start from the beginning next time."""
        if self._times:
            self._times.pop(message_id, None)
