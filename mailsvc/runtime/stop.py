"""The end of a worker, and how much time it has for it."""

import asyncio

from mailsvc import clock

__all__ = ["Stop", "time_left"]


class Stop(asyncio.Event):
    """Set when a worker must end."""

    def __init__(self) -> None:
        super().__init__()
        self._until = float("inf")

    def set_within(self, seconds: float) -> None:
        """Set it; all work in progress should have ended after so many seconds."""
        self._until = clock.monotonic() + seconds
        self.set()

    def left(self) -> float:
        """The seconds that are left, 0 at least."""
        return max(0.0, self._until - clock.monotonic())


def time_left(stop: asyncio.Event, most: float, *, besides: float = 0.0) -> float:
    """The seconds for a step of the end, which has ``most`` of them where nobody is in a hurry.

    Args:
        stop: what ended the work. One without a time of its own leaves the usual time.
        besides: seconds that are needed after this step.
    """
    return min(most, max(0.0, stop.left() - besides)) if isinstance(stop, Stop) else most
