"""A worker: the loops of its roles, and what they share. It is run by ``mailsvc serve`` and by an embedded Service."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from mailsvc.apps.relay_book import RelayBook
from mailsvc.callbacks.callback import Callback
from mailsvc.callbacks.follower import Post
from mailsvc.callbacks.positions import release_all as release_callbacks
from mailsvc.callbacks.worker import CallbackWorker
from mailsvc.delivery.recover import settle_the_dead
from mailsvc.delivery.worker import Context, DeliveryWorker
from mailsvc.forking import close_in_child
from mailsvc.inbound.sentfolder.round import SentFolders
from mailsvc.inbound.sentfolder.worker import SentFolderWorker
from mailsvc.inbound.worker import IngestContext, IngestWorker
from mailsvc.inbox.leases import release_all
from mailsvc.intake.worker import IntakeWorker
from mailsvc.outbox.submissions.take_up import TakeUp
from mailsvc.outcomes.sent_jobs import release_all as release_sent_jobs
from mailsvc.runtime.heartbeat import BEAT_SECONDS, Heartbeat
from mailsvc.runtime.lockfiles import LockFiles
from mailsvc.runtime.loop import Loop
from mailsvc.runtime.wake import DELIVER, EVENTS, MAILBOXES, NOTIFY, RELAYS, SUBMISSIONS, Bell, Ear
from mailsvc.service.bootstrap import open_vault
from mailsvc.service.building import message_builder
from mailsvc.service.sandbox_host import SandboxHost
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.telemetry import Meter, log
from mailsvc.upkeep.loop import Upkeep
from mailsvc.webhooks.claim import release_claims
from mailsvc.webhooks.post import Poster
from mailsvc.webhooks.worker import WebhookWorker

__all__ = ["ROLES", "Worker"]

ROLES = ("deliver", "ingest", "notify", "intake", "upkeep")  # of workers; the API is none

Listeners = list[tuple[bytes, Callable[[], None]]]


class Worker:
    """One worker of the cluster, in any event loop whose default executor may wait for the database.

    Args:
        name: shown beside its id.
        connections: to the database.
        callbacks: of the host, called by the role notify.
    """

    def __init__(
        self,
        settings: Settings,
        roles: tuple[str, ...],
        *,
        name: str = "",
        connections: int = 4,
        meter: Meter,
        callbacks: Iterable[Callback] = (),
    ) -> None:
        self._settings, self._roles = settings, roles
        self.database, self._vault = Database(settings.database, pool_size=connections), open_vault(settings)
        self._relays = RelayBook(self.database, self._vault, targets=settings.relay_targets, data_dir=settings.data_dir)
        self._bell = close_in_child(Bell(settings.data_dir))
        self.heartbeat = Heartbeat(self.database, roles, name=name, meter=meter)
        self._lockfiles = LockFiles(settings.data_dir)
        post = Post(self.database, self.heartbeat.id, self._lockfiles.dead, meter)
        self._callbacks = CallbackWorker(callbacks, post)
        self._sandbox = SandboxHost(settings.data_dir, self.database, self._vault, self._bell)

    def add_callback(self, callback: Callback) -> None:
        """Call another function of the host, too. In the worker's loop."""
        self._callbacks.add(callback)

    async def run(self, stop: asyncio.Event, *, ready: Callable[[], None] = lambda: None) -> None:
        """Work until ``stop`` is set, then drain.

        Args:
            ready: called when the loops of all roles have begun.
        """
        try:
            if "deliver" in self._roles:
                await self._sandbox.open()
            await _patiently(stop, self._join)
            await self._work(stop, ready)
        finally:
            await self._leave()

    async def _work(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        loops, listeners = self._loops(stop)
        ear = Ear(self._settings.data_dir, self.heartbeat.id)
        ear.listen_in_loop(lambda topics: _wake(listeners, topics))
        try:
            working = asyncio.gather(*loops)
            asyncio.get_running_loop().call_soon(ready)  # after the beginnings of the loops
            await working
        finally:
            ear.close()

    async def _leave(self) -> None:
        await self._sandbox.close()
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self.heartbeat.leave)
            self._lockfiles.leave(self.heartbeat.id)
        self._bell.close()
        self.database.close()

    def _loops(self, stop: asyncio.Event) -> tuple[list[Awaitable[None]], Listeners]:
        """Return the loops of the roles, and the callbacks that the bell calls for each topic."""
        listeners: Listeners = []
        loops: list[Awaitable[None]] = [Loop(partial(_beat, self.heartbeat)).run(stop)]
        if "deliver" in self._roles:
            delivering = DeliveryWorker(self._delivery_context())
            listeners.append((RELAYS, self._relays.forget))
            listeners.append((DELIVER, delivering.wake))
            loops.append(delivering.run(stop))
            loops.append(self._sandbox.keep_open(stop))
        if "notify" in self._roles:
            notifying = self._webhook_worker()
            listeners.append((NOTIFY, notifying.wake))
            loops.append(notifying.run(stop))
            listeners.append((EVENTS, self._callbacks.wake))
            loops.append(self._callbacks.run(stop))
        if "ingest" in self._roles:
            reading = IngestWorker(self._ingest_context())
            listeners.append((MAILBOXES, reading.wake))
            loops.append(reading.run(stop))
            loops.append(SentFolderWorker(self._sent_folders(), owner=self.heartbeat.id).run(stop))
        if "upkeep" in self._roles:
            loops.append(Upkeep(self.database, self._bell, self.heartbeat.meter).run(stop))
        if "intake" in self._roles:
            taking = IntakeWorker(self._settings, self._take_up(), self._bell, self.heartbeat.meter)
            listeners.append((SUBMISSIONS, taking.wake))
            loops.append(taking.run(stop))
        return loops, listeners

    def _delivery_context(self) -> Context:
        return Context(
            database=self.database,
            relays=self._relays,
            bell=self._bell,
            heartbeat=self.heartbeat,
            journal_directory=self._settings.data_dir / "journal",
            lease_seconds=self._settings.lease_seconds,
            verp_key=self._vault.signing_keys[0],
            soft_bounces=self._settings.soft_bounce_limit,
        )

    def _webhook_worker(self) -> WebhookWorker:
        return WebhookWorker(
            self.database,
            self._vault,
            self._bell,
            owner=self.heartbeat.id,
            poster=Poster(self._settings.targets, ca_pem=self._settings.webhook_ca),
            meter=self.heartbeat.meter,
        )

    def _take_up(self) -> TakeUp:
        builder = message_builder(self._settings, self.database, self._vault, self._relays)
        return TakeUp(builder, self._settings.max_queue)

    def _ingest_context(self) -> IngestContext:
        return IngestContext(
            database=self.database,
            vault=self._vault,
            settings=self._settings,
            bell=self._bell,
            heartbeat=self.heartbeat,
            tokens=self._relays.tokens,
            targets_of=self._relays.targets_of,
        )

    def _sent_folders(self) -> SentFolders:
        return SentFolders(
            database=self.database,
            vault=self._vault,
            bell=self._bell,
            tokens=self._relays.tokens,
            targets_of=self._relays.targets_of,
            meter=self.heartbeat.meter,
        )

    def _join(self) -> None:
        """Take over what dead workers of this host left, and become one of the living."""
        if "deliver" in self._roles:
            journals = self._settings.data_dir / "journal"
            settle_the_dead(self.database, journals, soft_bounces=self._settings.soft_bounce_limit)
        for owner in self._lockfiles.dead():
            release_claims(self.database, owner)
            release_all(self.database, owner)
            release_sent_jobs(self.database, owner)
            release_callbacks(self.database, owner)
            self.heartbeat.forget(owner)
            self._lockfiles.strike(owner)
        self._lockfiles.enrol(self.heartbeat.id)
        self.heartbeat.join()


def _wake(listeners: Listeners, topics: bytes) -> None:
    for topic, wake in listeners:
        if topic in topics:
            wake()


async def _patiently(stop: asyncio.Event, step: Callable[[], None]) -> None:
    """Run the step as soon as the database allows it."""
    while not stop.is_set():
        try:
            await asyncio.to_thread(step)
        except Exception:  # noqa: BLE001 - without its database a worker can only wait
            log.warning("waiting for the database", exc_info=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await stop.wait()
        else:
            return


async def _beat(heartbeat: Heartbeat) -> float:
    await asyncio.to_thread(heartbeat.beat)
    return BEAT_SECONDS
