"""The parcels that this worker holds, and the memory that their content takes."""

from collections.abc import Awaitable, Callable, Iterable, Iterator

from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.throttle import ByteBudget
from mailsvc.runtime.error_log import log_error

__all__ = ["InHand"]

BODY_BYTES = 32 * 1024 * 1024


class InHand:
    """Parcels from their claim to their report.

    Args:
        read: the content of the message with this id.
        queued: the parcels whose turn has not come.
    """

    def __init__(self, read: Callable[[str], Awaitable[bytes | None]], queued: Callable[[], Iterable[Parcel]]) -> None:
        self._read, self._queued = read, queued
        self._parcels: set[Parcel] = set()
        self._budget = ByteBudget(BODY_BYTES)

    def __iter__(self) -> Iterator[Parcel]:
        return iter(self._parcels)

    def __contains__(self, parcel: Parcel) -> bool:
        return parcel in self._parcels

    def add(self, parcels: Iterable[Parcel]) -> None:
        self._parcels.update(parcels)

    def remove(self, parcel: Parcel) -> None:
        """Forget a parcel that is reported, or about to be."""
        self._release(parcel)
        self._parcels.discard(parcel)

    @property
    def room(self) -> int:
        """How many bytes of content may be read ahead of their turn."""
        return self._budget.room

    def hold(self, parcel: Parcel, content: bytes | None) -> None:
        """Keep content that was read ahead, if it fits."""
        size = parcel.message.size
        if content is not None and self._budget.fits(size):
            parcel.content, parcel.held_bytes = content, size
            self._budget.take(size)

    async def load(self, parcel: Parcel) -> bool:
        """Read the content of a parcel whose turn has come; False where it can't be read now."""
        if not self._budget.fits(parcel.message.size):
            self.forget_read_ahead()
        await self._budget.wait_for(parcel.message.size)
        parcel.held_bytes = parcel.message.size
        try:
            parcel.content = await self._read(parcel.message.id)
        except Exception as error:  # noqa: BLE001 - the parcel is set aside, and the others continue
            log_error(error, message=parcel.message.id)
        return parcel.content is not None

    def forget_read_ahead(self) -> None:
        """Drop content of parcels that still wait, so that it does not block a parcel whose turn has come."""
        for parcel in self._queued():
            self._release(parcel)

    def forget_read_ahead_if_full(self) -> None:
        """Drop it while there is no room: parcels may have come back to their queue since a parcel began to wait for memory."""
        if not self._budget.room:
            self.forget_read_ahead()

    def _release(self, parcel: Parcel) -> None:
        parcel.content = None
        if parcel.held_bytes:
            self._budget.give_back(parcel.held_bytes)
            parcel.held_bytes = 0
