"""The work of a process by its roles: serve the API, deliver, read mailboxes, notify, maintain."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from mailsvc.api.app import create_app
from mailsvc.api.auth import Keyring
from mailsvc.api.feed import Feed
from mailsvc.api.gateway import Gateway
from mailsvc.api.parts import Services
from mailsvc.api.readiness import Readiness
from mailsvc.apps.relay_book import RelayBook
from mailsvc.delivery.recover import settle_the_dead
from mailsvc.delivery.worker import Context, DeliveryWorker
from mailsvc.inbound.accountprobe.probe import probe_account
from mailsvc.inbound.probe import probe_mailbox
from mailsvc.inbound.sentfolder.round import SentFolders
from mailsvc.inbound.sentfolder.worker import SentFolderWorker
from mailsvc.inbound.worker import IngestContext, IngestWorker
from mailsvc.inbox.leases import release_all
from mailsvc.intake.worker import IntakeWorker
from mailsvc.outbox.admission import Admission
from mailsvc.outbox.builder import MessageBuilder
from mailsvc.outbox.shared_commit import SharedCommit
from mailsvc.outbox.submissions.take_up import TakeUp
from mailsvc.outbox.submit import AcceptPipeline
from mailsvc.outcomes.sent_jobs import release_all as release_sent_jobs
from mailsvc.runtime.heartbeat import BEAT_SECONDS, Heartbeat
from mailsvc.runtime.lockfiles import LockFiles
from mailsvc.runtime.loop import Loop
from mailsvc.runtime.wake import DELIVER, EVENTS, MAILBOXES, NOTIFY, RELAYS, SUBMISSIONS, Bell, Ear
from mailsvc.service.bootstrap import open_vault
from mailsvc.service.child import STOPPING
from mailsvc.service.sandbox_host import SandboxHost
from mailsvc.service.tuning import allow_files
from mailsvc.settings import Settings
from mailsvc.smtp.probe import probe
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault
from mailsvc.telemetry import log
from mailsvc.upkeep.loop import Upkeep
from mailsvc.webhooks.claim import release_claims
from mailsvc.webhooks.trial import post_now
from mailsvc.webhooks.worker import WebhookWorker

__all__ = ["API_THREADS", "ROLES", "crews", "make_app", "run_worker"]

ROLES = ("api", "deliver", "ingest", "notify", "intake", "upkeep")
API_THREADS = 32
SLOWEST_ANSWER = 30.0  # seconds that the API waits for one reply of a database that responds
MOST_FILES = 16_384  # for a worker, whose relays may each have a thousand connections


def make_app(settings: Settings) -> Gateway:
    """Return the API as an ASGI application, with its intake thread running."""
    database, vault = (
        Database(settings.database, pool_size=API_THREADS // 2, patience=SLOWEST_ANSWER),
        open_vault(settings),
    )
    bell, feed = Bell(settings.data_dir), Feed(database)
    relays = RelayBook(database, vault, targets=settings.relay_targets)
    intake = SharedCommit(database, ring=lambda: bell.ring(DELIVER, NOTIFY, EVENTS), max_queue=settings.max_queue)
    services = Services(
        settings=settings,
        database=database,
        vault=vault,
        relays=relays,
        bell=bell,
        outbox=AcceptPipeline(_builder(settings, database, vault, relays), Admission(settings, database), intake),
        keyring=Keyring(database),
        feed=feed,
        readiness=Readiness(settings, Database(settings.database, pool_size=1, lock_seconds=1)),
        check_relay=probe,
        check_mailbox=partial(probe_mailbox, tokens=relays.tokens),
        probe_account=partial(probe_account, database=database, tokens=relays.tokens, keys=vault.signing_keys),
        try_webhook=partial(post_now, settings.targets, settings.webhook_ca),
    )
    Ear(settings.data_dir, f"api-{os.getpid()}").listen_in_thread(feed.heard)
    return Gateway(create_app(services), threads=API_THREADS, at_stop=feed.stop)


_APART = (("ingest",), ("notify", "intake"))


def crews(roles: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the worker processes for these roles, by name. What arrives and webhooks must not slow down delivery.

    Nor must the take-up of submissions: composing messages in the worker's process took a third of its deliveries.
    """
    working = tuple(role for role in roles if role in ("deliver", "upkeep"))
    found = {"worker": working} if working else {}
    for group in _APART:
        if crew := tuple(role for role in group if role in roles):
            found[crew[0]] = crew
    return found


@dataclass(slots=True)
class _Worker:
    settings: Settings
    roles: tuple[str, ...]
    database: Database
    vault: Vault
    relays: RelayBook
    bell: Bell
    heartbeat: Heartbeat
    lockfiles: LockFiles


def run_worker(settings: Settings, roles: tuple[str, ...]) -> None:
    """Work until SIGTERM or SIGINT, then drain."""
    allow_files(MOST_FILES)
    database, vault = Database(settings.database, pool_size=4), open_vault(settings)
    parts = _Worker(
        settings,
        roles,
        database,
        vault,
        RelayBook(database, vault, targets=settings.relay_targets),
        Bell(settings.data_dir),
        Heartbeat(database, roles),
        LockFiles(settings.data_dir),
    )
    asyncio.run(_work(parts))


async def _work(parts: _Worker) -> None:
    stop = asyncio.Event()
    for number in STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sandbox = SandboxHost(parts.settings.data_dir, parts.database, parts.vault, parts.bell)
    if "deliver" in parts.roles:
        await sandbox.open()
    await _patiently(stop, lambda: _join(parts))
    loops, listeners = _loops(parts, sandbox, stop)
    ear = Ear(parts.settings.data_dir, parts.heartbeat.id)
    ear.listen_in_loop(lambda topics: _wake(listeners, topics))
    try:
        await asyncio.gather(*loops)
    finally:
        ear.close()
        await sandbox.close()
        with contextlib.suppress(Exception):
            await asyncio.to_thread(parts.heartbeat.leave)
            parts.lockfiles.strike(parts.heartbeat.id)
        parts.database.close()


Listeners = list[tuple[bytes, Callable[[], None]]]


def _loops(parts: _Worker, sandbox: SandboxHost, stop: asyncio.Event) -> tuple[list[Awaitable[None]], Listeners]:
    """Return the loops of this process's roles, and the callbacks that the bell calls for each topic."""
    listeners: Listeners = []
    loops: list[Awaitable[None]] = [Loop(partial(_beat, parts.heartbeat)).run(stop)]
    if "deliver" in parts.roles:
        delivering = DeliveryWorker(_delivery_context(parts))
        listeners.append((RELAYS, parts.relays.forget))
        listeners.append((DELIVER, delivering.wake))
        loops.append(delivering.run(stop))
        loops.append(sandbox.keep_open(stop))
    if "notify" in parts.roles:
        owner, targets = parts.heartbeat.id, parts.settings.targets
        notifying = WebhookWorker(
            parts.database, parts.vault, parts.bell, owner=owner, targets=targets, ca_pem=parts.settings.webhook_ca
        )
        listeners.append((NOTIFY, notifying.wake))
        loops.append(notifying.run(stop))
    if "ingest" in parts.roles:
        reading = IngestWorker(_ingest_context(parts))
        listeners.append((MAILBOXES, reading.wake))
        loops.append(reading.run(stop))
        loops.append(SentFolderWorker(_sent_folders(parts), owner=parts.heartbeat.id).run(stop))
    if "intake" in parts.roles:
        builder = _builder(parts.settings, parts.database, parts.vault, parts.relays)
        taking = IntakeWorker(parts.settings, TakeUp(builder, parts.settings.max_queue), parts.bell)
        listeners.append((SUBMISSIONS, taking.wake))
        loops.append(taking.run(stop))
    if "upkeep" in parts.roles:
        loops.append(Upkeep(parts.database, parts.bell).run(stop))
    return loops, listeners


def _wake(listeners: Listeners, topics: bytes) -> None:
    for topic, wake in listeners:
        if topic in topics:
            wake()


def _delivery_context(parts: _Worker) -> Context:
    return Context(
        database=parts.database,
        relays=parts.relays,
        bell=parts.bell,
        heartbeat=parts.heartbeat,
        journal_directory=parts.settings.data_dir / "journal",
        lease_seconds=parts.settings.lease_seconds,
        verp_key=parts.vault.signing_keys[0],
        soft_bounces=parts.settings.soft_bounce_limit,
    )


def _ingest_context(parts: _Worker) -> IngestContext:
    return IngestContext(
        database=parts.database,
        vault=parts.vault,
        settings=parts.settings,
        bell=parts.bell,
        heartbeat=parts.heartbeat,
        tokens=parts.relays.tokens,
        targets_of=parts.relays.targets_of,
    )


def _builder(settings: Settings, database: Database, vault: Vault, relays: RelayBook) -> MessageBuilder:
    return MessageBuilder(database, relays, settings.limits, vault.signing_keys[0], settings.public_url)


def _sent_folders(parts: _Worker) -> SentFolders:
    return SentFolders(
        database=parts.database,
        vault=parts.vault,
        bell=parts.bell,
        tokens=parts.relays.tokens,
        targets_of=parts.relays.targets_of,
    )


def _join(parts: _Worker) -> None:
    if "deliver" in parts.roles:
        settle_the_dead(
            parts.database, parts.settings.data_dir / "journal", soft_bounces=parts.settings.soft_bounce_limit
        )
    for owner in parts.lockfiles.dead():
        release_claims(parts.database, owner)
        release_all(parts.database, owner)
        release_sent_jobs(parts.database, owner)
        parts.heartbeat.forget(owner)
        parts.lockfiles.strike(owner)
    parts.lockfiles.enrol(parts.heartbeat.id)
    parts.heartbeat.join()


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
