"""The delivery worker: one process that sends queued deliveries."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mailsvc import clock
from mailsvc.apps.relay_book import RelayBook
from mailsvc.delivery.claim import read_body
from mailsvc.delivery.claimer import Claimer, Terms
from mailsvc.delivery.inhand import InHand
from mailsvc.delivery.journal import Journal
from mailsvc.delivery.lane import LaneParts
from mailsvc.delivery.lanes import Lanes
from mailsvc.delivery.leasekeeper import LeaseKeeper
from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.relay_health import RelayHealth
from mailsvc.delivery.relay_tokens import RelayTokens
from mailsvc.delivery.reporter import Reporter
from mailsvc.domain.bounce import SoftBounceLimit
from mailsvc.runtime.claimloop import ClaimLoop
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.heartbeat import Heartbeat
from mailsvc.runtime.loop import Loop
from mailsvc.runtime.stop import time_left
from mailsvc.runtime.threads import DaemonThreads
from mailsvc.runtime.wake import EVENTS, NOTIFY, Bell
from mailsvc.store.database import Database

__all__ = ["Context", "DeliveryWorker"]

LOOK_SECONDS = 0.05
CLAIM_DISTANCE = 0.02  # seconds between claims, if the last one left no due rows
DRAIN_SECONDS = 10.0  # for transactions in progress
RECORD_SECONDS = 2.0  # at the end, for queued results
LAST_SECONDS = 0.5  # of those for the end: what was in progress must be recorded


@dataclass(frozen=True, slots=True)
class Context:
    """What the worker is given by the composition root."""

    database: Database
    relays: RelayBook
    bell: Bell
    heartbeat: Heartbeat
    journal_directory: Path
    lease_seconds: int
    verp_key: bytes
    soft_bounces: SoftBounceLimit | None = None


class DeliveryWorker:
    """Claims what its relays can take now, has their lanes send it, and has recorded what became of it.

    To be made in an event loop.

    Attributes:
        meter: its counters.
    """

    def __init__(self, context: Context) -> None:
        database, owner, meter = context.database, context.heartbeat.id, context.heartbeat.meter
        self._context, self.meter = context, meter
        self._threads = DaemonThreads(2, "delivery-db")
        self._journal = Journal(context.journal_directory, owner)
        in_hand = InHand(lambda id_: self._in_thread(partial(read_body, database, id_)), self._queued)
        self._reporter = Reporter(
            database,
            in_hand,
            self._journal,
            partial(context.bell.ring, NOTIFY, EVENTS),
            meter=meter,
            soft_bounces=context.soft_bounces,
        )
        health = RelayHealth(database, self._write_down, meter)
        self._tokens = RelayTokens(context.relays.tokens)
        parts = LaneParts(self._reporter, in_hand, health, self.wake, self._tokens, meter)
        self._lanes = Lanes(database, context.relays, health, parts, context.heartbeat.share)
        terms = Terms(
            database=database,
            in_thread=self._in_thread,
            owner=owner,
            lease_seconds=context.lease_seconds,
            journal=self._journal,
            journal_directory=context.journal_directory,
            verp_key=context.verp_key,
        )
        self._claimer = Claimer(context.relays, self._lanes, self._reporter, in_hand, terms)
        self._claims = ClaimLoop(
            self._claimer,
            now=database.now,
            lease_seconds=context.lease_seconds,
            look_seconds=LOOK_SECONDS,
            distance=self._distance,
            threads=self._threads,
        )
        self._leases = LeaseKeeper(database, in_hand, lease_seconds=context.lease_seconds, in_thread=self._in_thread)

    def wake(self) -> None:
        """There may be something to claim."""
        self._claims.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then drain."""
        drained = asyncio.Event()
        keeping = asyncio.create_task(Loop(self._leases.extend_late).run(drained))
        try:
            await self._claims.run(stop)
        finally:
            await self._lanes.stop(time_left(stop, DRAIN_SECONDS, besides=LAST_SECONDS))
            await self._reporter.stop(time_left(stop, RECORD_SECONDS))
            self._journal.close()
            drained.set()
            await keeping
            self._tokens.close()
            self._threads.shutdown(wait=False)

    def _distance(self) -> float:
        """A trickle of mail is claimed a few messages at a time: a commit for each would hold up those who bring it."""
        return 0.0 if self._claims.backlogs else self._claimer.claimed_at + CLAIM_DISTANCE - clock.monotonic()

    def _queued(self) -> Iterable[Parcel]:
        """The parcels whose turn has not come."""
        return [parcel for lane in self._lanes.by_id.values() for parcel in lane.queue.waiting]

    async def _write_down(self, write: Callable[[], None]) -> None:
        try:
            await self._in_thread(write)
        except Exception as error:  # noqa: BLE001 - the breaker works without its row
            log_error(error)
        self._context.relays.forget()
        self._context.bell.ring(NOTIFY, EVENTS)

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)
