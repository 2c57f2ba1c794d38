"""Extends the leases of parcels whose transmission takes long."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from mailsvc import clock
from mailsvc.delivery.claim import extend
from mailsvc.delivery.inhand import InHand
from mailsvc.delivery.parcel import Parcel
from mailsvc.store.database import Database

__all__ = ["LeaseKeeper"]

AT_ONCE = 200  # parcels per transaction
LATE = 0.6  # of a lease: if less remains, the lease is extended


class LeaseKeeper:
    """Extends leases; if that fails, the check before the final dot prevents a duplicate.

    Args:
        lease_seconds: the length of a lease.
        in_thread: calls a function in a thread.
    """

    def __init__(
        self,
        database: Database,
        in_hand: InHand,
        *,
        lease_seconds: int,
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        self._database, self._in_hand = database, in_hand
        self._lease_seconds, self._in_thread = lease_seconds, in_thread

    async def extend_late(self) -> float:
        """Extend the leases that end soon. Returns the seconds until the next call."""
        self._in_hand.forget_read_ahead_if_full()
        ends_soon = clock.monotonic() + self._lease_seconds * LATE
        late = [parcel for parcel in self._in_hand if parcel.deadline < ends_soon]
        for start in range(0, len(late), AT_ONCE):
            await self._extend(late[start : start + AT_ONCE])
        return self._lease_seconds / 4

    async def _extend(self, parcels: list[Parcel]) -> None:
        deadline = clock.monotonic() + self._lease_seconds
        claims = [claim for parcel in parcels for claim in parcel.claims]
        held = await self._in_thread(partial(extend, self._database, claims, lease_seconds=self._lease_seconds))
        for parcel in parcels:
            if held.issuperset(claim.id for claim in parcel.claims):
                parcel.deadline = deadline
