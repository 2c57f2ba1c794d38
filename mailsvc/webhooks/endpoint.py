"""One webhook in this process: how many posts it has room for, and its pause after an error of ours."""

import asyncio

from mailsvc import clock

__all__ = ["Endpoint"]

AT_ONCE = 8  # POSTs in progress per endpoint
AHEAD_SLOW, AHEAD_QUICK = 16, 256  # rows claimed per endpoint
QUICK_SECONDS = 0.2
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0  # seconds


class Endpoint:
    """The worker's state of one endpoint."""

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(AT_ONCE)
        self.outstanding = 0
        self.seconds = 1.0  # a running mean of its response time
        self._pause = 0.0
        self._paused_until = float("-inf")

    def room(self) -> int:
        """How many more rows may be claimed for it now."""
        if clock.monotonic() < self._paused_until:
            return 0
        ahead = AHEAD_QUICK if self.seconds < QUICK_SECONDS else AHEAD_SLOW
        free = ahead - self.outstanding
        return free if free >= ahead // 2 else 0

    def note_response(self, seconds: float) -> None:
        """Count a response that took this long, and end a pause."""
        self._pause = 0.0
        self.seconds += (seconds - self.seconds) / 8

    def pause(self) -> None:
        """Pause the endpoint after an error of ours; longer each time."""
        self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pause))
        self._paused_until = clock.monotonic() + self._pause
