"""How fast and how much at once: a relay's rate, its speed as seen, and the bytes of bodies in flight."""

import asyncio
from collections import deque

__all__ = ["ByteBudget", "Pace", "Speed"]

SLACK = 0.05  # seconds: what was not used in the last moments may be caught up
MEASURE_SECONDS, MANY, SOON_SECONDS = 0.2, 16, 0.02  # of work, before a speed is taken; where many were done, sooner
FORGET_SECONDS = 60.0  # without work, after which a relay may have become another


class Pace:
    """A rate almost without bursts (GCRA): deliveries are let through one interval apart."""

    def __init__(self) -> None:
        self._rate: float | None = None
        self._next = 0.0

    def set_rate(self, per_second: float | None) -> None:
        self._rate = per_second

    def allowance(self, now: float) -> int | None:
        """How many may go now; None for any number."""
        if self._rate is None:
            return None
        start = max(self._next, now - SLACK)
        return int((now - start) * self._rate) + 1 if start <= now else 0

    def take(self, count: int, now: float) -> None:
        if self._rate is not None and count:
            self._next = max(self._next, now - SLACK) + count / self._rate

    def wait(self, now: float) -> float:
        """Seconds until the next one may go."""
        return 0.0 if self._rate is None else max(0.0, self._next - now)


class Speed:
    """How many a second somebody does who has work: from the time without any, nothing is learnt."""

    def __init__(self) -> None:
        self.per_second = 0.0  # as last measured
        self._done, self._busy = 0, 0.0  # since then
        self._since: float | None = None  # None while there is no work
        self._idle_since = 0.0

    def begin(self, now: float) -> None:
        """There is work; to say it again makes no difference."""
        if self._since is None:
            if now - self._idle_since > FORGET_SECONDS:
                self.per_second, self._done, self._busy = 0.0, 0, 0.0
            self._since = now

    def end(self, now: float) -> None:
        """There is no more work."""
        if self._since is not None:
            self._busy += now - self._since
            self._since, self._idle_since = None, now

    def did(self, count: int) -> None:
        self._done += count

    def measure(self, now: float) -> None:
        """Measure, if there was enough work since last time."""
        busy = self._busy + (now - self._since if self._since is not None else 0.0)
        if busy >= (SOON_SECONDS if self._done >= MANY else MEASURE_SECONDS):
            self.per_second = self._done / busy
            self._done, self._busy = 0, 0.0
            if self._since is not None:
                self._since = now


class ByteBudget:
    """Bounds the bytes of bodies that are in memory; one body is always let in, however large."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def room(self) -> int:
        """How many bytes may be read ahead of their turn: none while somebody waits whose turn it is."""
        return 0 if self._waiting else max(0, self._limit - self.used)

    def fits(self, size: int) -> bool:
        return not self._waiting and (self.used == 0 or self.used + size <= self._limit)

    def take(self, size: int) -> None:
        self.used += size

    async def wait_for(self, size: int) -> None:
        """Take the bytes as soon as there is room, first come first served."""
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
