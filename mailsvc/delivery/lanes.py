"""The lanes of one process: opened when their relay has something due; what one of them raises is its own trouble."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from mailsvc import clock
from mailsvc.apps.relays import KnownRelay
from mailsvc.delivery.breaker import Breaker
from mailsvc.delivery.lane import Lane, LaneOwner
from mailsvc.delivery.learnt import learnt_of
from mailsvc.delivery.relay_health import RelayHealth, leave_alone
from mailsvc.domain.attempt import Stage
from mailsvc.runtime.complaint import complain
from mailsvc.smtp.trouble import RelayTrouble, unexpected
from mailsvc.store.database import Database

__all__ = ["Lanes"]

_BOOK_MEMORY = 2.0  # seconds, comfortably more than the relay book remembers


class Book(Protocol):
    """Relays as they are now."""

    def get(self, relay_id: str) -> KnownRelay | None: ...


class Lanes:
    """All lanes that were ever needed.

    Args:
        share: of so many connections of a relay, how many are this process's.
    """

    def __init__(
        self, database: Database, relays: Book, standing: RelayHealth, owner: LaneOwner, share: Callable[[int], int]
    ) -> None:
        self._database, self._relays, self._standing = database, relays, standing
        self._owner, self._share = owner, share
        self.by_id: dict[str, Lane] = {}

    async def with_backlog(self) -> list[Lane]:
        """Those that surely have more to send, and room."""
        behind = [lane for lane in self.by_id.values() if lane.has_backlog]
        return [lane for lane in behind if await self.room_of(lane) > 0]

    async def room_of(self, lane: Lane) -> int:
        """How many deliveries it can take now."""
        try:
            return lane.room()
        except Exception as error:  # noqa: BLE001 - it must not keep the other lanes from their turn
            await self.failed(lane, error)
            return 0

    async def failed(self, lane: Lane, error: Exception) -> None:
        """Nothing can be done for this relay, and not because of the relay: the others go on."""
        complain(error, relay=lane.relay.name)
        lane.has_backlog = False
        await lane.trouble(unexpected(Stage.CONNECT, error))

    async def open(self, due: list[tuple[str, int]]) -> list[Lane]:
        """Those of the relays with something due that may be used now, as the relay book shows them."""
        ready = []
        for relay_id, due_at in due:
            known = self._relays.get(relay_id)
            if known is None or not known.enabled or known.paused:
                self._leave_alone(relay_id)
                await self._tell_flaw(known)
                continue
            try:
                lane = self._ready_lane(known, due_at)
            except Exception as error:  # noqa: BLE001 - it must not keep the other lanes from their turn
                await self._unopened(known, error)
            else:
                ready += [lane] if lane is not None else []
        return ready

    def _ready_lane(self, known: KnownRelay, due_at: int) -> Lane | None:
        now = self._database.now()
        if due_at > now:
            if known.relay.id in self.by_id:
                self.lane_of(known).has_backlog = False
            return None
        lane = self.lane_of(known)
        return lane if known.retry_at is None or known.retry_at <= now else None

    async def _unopened(self, known: KnownRelay, error: Exception) -> None:
        lane = self.by_id.get(known.relay.id)
        if lane is not None:
            await self.failed(lane, error)
        elif known.retry_at is None or known.retry_at <= self._database.now():
            complain(error, relay=known.relay.name)
            trouble = unexpected(Stage.CONNECT, error)
            await self._standing.write(partial(leave_alone, self._database, known.relay, trouble))

    async def _tell_flaw(self, known: KnownRelay | None) -> None:
        """A relay whose row can't be used says so itself."""
        if known is not None and known.flaw is not None and not known.paused and known.retry_at is None:
            trouble = RelayTrouble(Stage.CONNECT, f"can't be used: {known.flaw}")
            await self._standing.write(partial(leave_alone, self._database, known.relay, trouble))

    def _leave_alone(self, relay_id: str) -> None:
        """What was claimed for a relay that is gone, disabled or paused waits like the rest of its mail."""
        lane = self.by_id.get(relay_id)
        if lane is not None:
            lane.has_backlog = False
            lane.adopt(lane.relay, 0)

    def lane_of(self, known: KnownRelay) -> Lane:
        """The relay's lane, made where there is none, with the settings and the share that it has now."""
        relay = known.relay
        lane = self.by_id.get(relay.id)
        if lane is None:
            learnt = learnt_of(known.learnt, now=clock.now())
            lane = self.by_id[relay.id] = Lane(relay, self._owner, learnt)
        self._agree(lane.breaker, known)
        share = self._share(relay.max_connections)
        lane.adopt(relay, share)
        lane.pace.set_rate(relay.rate * share / relay.max_connections if relay.rate else None)
        return lane

    def _agree(self, breaker: Breaker, known: KnownRelay) -> None:
        """Somebody else may have left the relay alone, or found it well; but what we know of the row may be older."""
        now = clock.monotonic()
        if now - breaker.changed_at <= _BOOK_MEMORY:
            return
        if known.retry_at is None:
            if not breaker.is_closed:
                breaker.close(now)
        elif breaker.is_closed:
            breaker.adopt(known.failures, now)
