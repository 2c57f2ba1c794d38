"""The lanes of one process. A lane is opened when its relay has due deliveries; an error in one lane does not affect others."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from mailsvc import clock
from mailsvc.apps.known_relay import KnownRelay
from mailsvc.delivery.breaker import Breaker
from mailsvc.delivery.lane import Lane, LaneParts
from mailsvc.delivery.learned_limits import learned_limits_of
from mailsvc.delivery.relay_health import RelayHealth
from mailsvc.domain.attempt import Stage
from mailsvc.runtime.error_log import log_error
from mailsvc.smtp.trouble import RelayTrouble, unexpected
from mailsvc.store.database import Database

__all__ = ["Lanes"]

SHOW_SECONDS = 1.0
_BOOK_MEMORY = 2.0  # seconds, well above the time for which the relay book caches


class Book(Protocol):
    """Relays as they are now."""

    def get(self, relay_id: str) -> KnownRelay | None: ...


class Lanes:
    """All lanes opened so far.

    Args:
        share: of so many connections of a relay, how many are this process's.
    """

    def __init__(
        self, database: Database, relays: Book, health: RelayHealth, parts: LaneParts, share: Callable[[int], int]
    ) -> None:
        self._database, self._relays, self._health = database, relays, health
        self._parts, self._share = parts, share
        self._shown_at = 0.0
        self.by_id: dict[str, Lane] = {}

    async def failed(self, lane: Lane, error: Exception) -> None:
        """An error of ours prevents sending by this relay: count it as a failure of the lane."""
        log_error(error, relay=lane.relay.name)
        await lane.trouble(unexpected(Stage.CONNECT, error))

    async def usable(self, due: list[tuple[str, int]]) -> list[str]:
        """The relays with due deliveries that may be used now, according to the relay book."""
        usable = []
        for relay_id, due_at in due:
            known = self._relays.get(relay_id)
            if known is None or not known.enabled or known.paused:
                self._suspend(relay_id)
                await self._report_flaw(known)
                continue
            try:
                is_usable = self._is_usable(known, due_at)
            except Exception as error:  # noqa: BLE001 - one lane must not block the others
                await self._unopened(known, error)
            else:
                usable += [relay_id] if is_usable else []
        return usable

    def _is_usable(self, known: KnownRelay, due_at: int) -> bool:
        now = self._database.now()
        is_due = due_at <= now
        if is_due or known.relay.id in self.by_id:
            self.lane_of(known)  # with its current settings
        return is_due and (known.retry_at is None or known.retry_at <= now)

    async def _unopened(self, known: KnownRelay, error: Exception) -> None:
        lane = self.by_id.get(known.relay.id)
        if lane is not None:
            await self.failed(lane, error)
        elif known.retry_at is None or known.retry_at <= self._database.now():
            log_error(error, relay=known.relay.name)
            trouble = unexpected(Stage.CONNECT, error)
            await self._health.back_off(known.relay, trouble)

    async def _report_flaw(self, known: KnownRelay | None) -> None:
        """Show the reason on a relay whose row can't be used."""
        if known is not None and known.flaw is not None and not known.paused and known.retry_at is None:
            trouble = RelayTrouble(Stage.CONNECT, f"can't be used: {known.flaw}")
            await self._health.back_off(known.relay, trouble)

    def _suspend(self, relay_id: str) -> None:
        """Stop a lane whose relay is deleted, disabled or paused; its parcels wait like the rest of its deliveries."""
        lane = self.by_id.get(relay_id)
        if lane is not None:
            lane.adopt(lane.relay, 0)

    def lane_of(self, known: KnownRelay) -> Lane:
        """The relay's lane, created if missing, with the current settings and share."""
        relay = known.relay
        lane = self.by_id.get(relay.id)
        if lane is None:
            learnt = learned_limits_of(known.learnt, now=clock.now())
            lane = self.by_id[relay.id] = Lane(relay, self._parts, learnt)
        self._agree(lane.breaker, known)
        share = self._share(relay.max_connections)
        lane.adopt(relay, share)
        lane.queue.pace.set_rate(relay.rate * share / relay.max_connections if relay.rate else None)
        return lane

    def _agree(self, breaker: Breaker, known: KnownRelay) -> None:
        """Follow what other processes did with the relay, unless our own change is newer than what we know of the row."""
        now = clock.monotonic()
        if now - breaker.changed_at <= _BOOK_MEMORY:
            return
        if known.retry_at is None:
            if not breaker.is_closed:
                breaker.close(now)
        elif breaker.is_closed:
            breaker.adopt(known.failures, now)

    def show_connections(self) -> None:
        """Update the connection metrics, at most once per second."""
        now = clock.monotonic()
        if now - self._shown_at >= SHOW_SECONDS:
            self._shown_at = now
            meter = self._parts.meter
            meter.gauge("connections", sum(lane.connections for lane in self.by_id.values()))
            meter.gauge("connections_busy", sum(map(_busy, self.by_id.values())))

    async def stop(self, grace: float) -> None:
        """Let what is under way finish, see ``Lane.stop``."""
        await asyncio.gather(*(lane.stop(grace) for lane in self.by_id.values()))


def _busy(lane: Lane) -> int:
    """How many of its connections are sending; a sender may hold its next parcel already."""
    return min(len(lane.queue.in_flight), lane.connections)
