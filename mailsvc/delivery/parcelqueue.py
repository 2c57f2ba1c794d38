"""A lane's parcels, waiting and in flight, and how many more deliveries may be claimed."""

from collections import deque
from collections.abc import Sequence

from mailsvc import clock
from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.throttle import Pace, Speed

__all__ = ["ParcelQueue"]

WINDOW = 1024  # the most parcels claimed in advance, and deliveries per claim
WINDOW_AFTER_PAUSE = 2  # parcels: one session tests the relay


class ParcelQueue:
    """First in, first out; returned parcels go first."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.waiting: deque[Parcel] = deque()
        self.in_flight: set[Parcel] = set()
        self._speed = Speed()  # in parcels
        self._deliveries_each = 1.0  # deliveries per parcel, of the last parcels

    def room(self, *, share: int, is_trying: bool) -> int:
        """How many deliveries may be claimed now.

        Args:
            share: how many sessions there may be.
            is_trying: the relay was left alone, and nobody knows how it fares now.
        """
        now = clock.monotonic()
        window = self._window(now, share, is_trying=is_trying)
        free = window - len(self.waiting) - len(self.in_flight)
        if free < window // 4 or free <= 0:
            return 0  # a claim costs the same for one row as for many: wait until it is worthwhile
        deliveries = min(WINDOW, int(free * self._deliveries_each))
        allowance = self.pace.allowance(now)
        return max(0, deliveries if allowance is None else min(deliveries, allowance))

    def _window(self, now: float, share: int, *, is_trying: bool) -> int:
        """Parcels for about half a second, so that sessions never starve and a crash leaves few leases behind."""
        self._speed.measure(now)
        if is_trying:
            return WINDOW_AFTER_PAUSE
        return int(min(WINDOW, max(2 * share, self._speed.per_second / 2)))

    def put(self, parcels: Sequence[Parcel]) -> None:
        """Queue claimed parcels."""
        self.waiting.extend(parcels)
        self._speed.begin(clock.monotonic())
        # Many recipients of one message share a transaction: claiming a few of them at a time would split it into many.
        self._deliveries_each = sum(len(parcel.claims) for parcel in parcels) / len(parcels)

    def take(self) -> Parcel | None:
        """The next parcel, which is in flight from now on."""
        if not self.waiting:
            return None
        parcel = self.waiting.popleft()
        self.in_flight.add(parcel)
        return parcel

    def put_back(self, parcel: Parcel) -> None:
        """Return a parcel to the head of the queue."""
        self.in_flight.discard(parcel)
        self.waiting.appendleft(parcel)
        self._speed.begin(clock.monotonic())

    def returned(self, parcel: Parcel) -> None:
        """The parcel is no longer in flight."""
        self.in_flight.discard(parcel)
        self._end_if_empty()

    def withdraw_all(self) -> list[Parcel]:
        """Remove all waiting items."""
        waiting = list(self.waiting)
        self.waiting.clear()
        self._end_if_empty()
        return waiting

    def one_done(self) -> None:
        """Count a finished transaction."""
        self._speed.did(1)

    def slow_down(self) -> None:
        """The relay says that it receives too much: see ``Pace.slow_down``."""
        self.pace.slow_down(clock.monotonic(), seen=self._speed.per_second * self._deliveries_each)

    def _end_if_empty(self) -> None:
        if not self.waiting and not self.in_flight:
            self._speed.end(clock.monotonic())
