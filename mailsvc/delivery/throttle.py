"""A relay's rate, its measured speed, and the memory for bodies."""

import asyncio
import math
from collections import deque

__all__ = ["ByteBudget", "Pace", "Speed"]

SLACK = 0.05  # seconds: capacity left unused for that long may be caught up
MEASURE_SECONDS, MANY, SOON_SECONDS = 0.2, 16, 0.02  # of work, before a speed is measured; after many items, sooner
SLOWEST = 1 / 60  # per second: one delivery tests whether the quota of an hour or a day is available again
UNLIMITED = 1000.0  # per second: a recovering rate above it is removed
SAME_SIGN_SECONDS, RECOVERY_SECONDS = 5.0, 60.0
FORGET_SECONDS = 60.0  # without work: after that, the relay may have changed


class Pace:
    """A rate limit almost without bursts (GCRA): deliveries pass one interval apart.

    It is the relay's setting, or less for a while after the relay said that it is too much.
    """

    def __init__(self) -> None:
        self._set: float | None = None
        self._slowed: float | None = None
        self._slowed_at = 0.0
        self._next = 0.0

    def set_rate(self, per_second: float | None) -> None:
        self._set = per_second

    def slow_down(self, now: float, *, seen: float) -> None:
        """The relay says that it receives too much: halve the rate, down to one per minute.

        Args:
            seen: deliveries a second at which it said so.
        """
        if self._slowed is not None and now - self._slowed_at < SAME_SIGN_SECONDS:
            return  # transactions that were in progress at that moment get the same reply
        before = self._rate(now)
        self._slowed = max(SLOWEST, (seen if before is None else before) / 2)
        self._slowed_at = now
        self._next = max(self._next, now + 1 / self._slowed)

    def _rate(self, now: float) -> float | None:
        """The current rate; after a slow-down it doubles every minute without a new complaint."""
        if self._slowed is None:
            return self._set
        slowed = math.ldexp(self._slowed, min(64, int((now - self._slowed_at) / RECOVERY_SECONDS)))
        if slowed > (self._set or UNLIMITED):
            self._slowed = None
            return self._set
        return slowed

    def allowance(self, now: float) -> int | None:
        """How many may pass now; None for any number."""
        rate = self._rate(now)
        if rate is None:
            return None
        start = max(self._next, now - SLACK)
        return int((now - start) * rate) + 1 if start <= now else 0

    def take(self, count: int, now: float) -> None:
        rate = self._rate(now)
        if rate is not None and count:
            self._next = max(self._next, now - SLACK) + count / rate

    def wait(self, now: float) -> float:
        """Seconds until the next one may pass."""
        return 0.0 if self._rate(now) is None else max(0.0, self._next - now)


class Speed:
    """Measures throughput, counting only the time in which there was work."""

    def __init__(self) -> None:
        self.per_second = 0.0  # the last measurement
        self._done, self._busy = 0, 0.0  # since that measurement
        self._since: float | None = None  # None while there is no work
        self._idle_since = 0.0

    def begin(self, now: float) -> None:
        """There is work from now on."""
        if self._since is None:
            if now - self._idle_since > FORGET_SECONDS:
                self.per_second, self._done, self._busy = 0.0, 0, 0.0
            self._since = now

    def end(self, now: float) -> None:
        """There is no work from now on."""
        if self._since is not None:
            self._busy += now - self._since
            self._since, self._idle_since = None, now

    def did(self, count: int) -> None:
        self._done += count

    def measure(self, now: float) -> None:
        """Update the measurement, if there was enough work since the last one."""
        busy = self._busy + (now - self._since if self._since is not None else 0.0)
        if busy >= (SOON_SECONDS if self._done >= MANY else MEASURE_SECONDS):
            self.per_second = self._done / busy
            self._done, self._busy = 0, 0.0
            if self._since is not None:
                self._since = now


class ByteBudget:
    """Limits the bytes of bodies in memory; one body of any size is always allowed."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def room(self) -> int:
        """How many bytes may be read ahead; none while a parcel whose turn has come waits for memory."""
        return 0 if self._waiting else max(0, self._limit - self.used)

    def fits(self, size: int) -> bool:
        return not self._waiting and (self.used == 0 or self.used + size <= self._limit)

    def take(self, size: int) -> None:
        self.used += size

    async def wait_for(self, size: int) -> None:
        """Reserve the bytes as soon as there is room, first come, first served."""
        if self.fits(size):
            self.take(size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(size)
            raise

    def give_back(self, size: int) -> None:
        self.used -= size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
            elif self.used == 0 or self.used + wanted <= self._limit:
                self._waiting.popleft()
                self.used += wanted
                turn.set_result(None)
            else:
                return
