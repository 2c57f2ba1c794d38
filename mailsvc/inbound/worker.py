"""The ingest role: takes mailboxes that nobody reads, up to this process's share, and watches each in a thread."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mailsvc import clock
from mailsvc.apps.mailbox_row import mailbox_of
from mailsvc.apps.mailbox_state import FailedSession, note_failed_session, note_looks
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.apps.sandbox_address import mailbox_here
from mailsvc.domain.targets import TargetPolicy
from mailsvc.findings.record import Terms
from mailsvc.inbound.arrivals import ArrivalRecorder
from mailsvc.inbound.intake import Intake, MemoryBudget
from mailsvc.inbound.watch import Watch
from mailsvc.inbox.backlog import next_recheck, take_backlog
from mailsvc.inbox.leases import Lease, claim, read_mailbox, readable_mailboxes, release, renew
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.heartbeat import Heartbeat
from mailsvc.runtime.loop import Loop
from mailsvc.runtime.stop import time_left
from mailsvc.runtime.wake import Bell
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault, VaultError

__all__ = ["IngestContext", "IngestWorker"]

LOOK_SECONDS = 1.0
RENEW_SECONDS = 5.0
UNCLASSIFIED_FOR = 15 * clock.SECOND  # then whoever stored it has died
MOST_MAILBOXES = 1000  # per process: a thread and a connection each
LARGE_MAIL_BYTES = 64 * 1024 * 1024
STOP_SECONDS = 5.0
SHORT_PATIENCE = 1.0  # seconds: one mailbox must not delay the others


@dataclass(frozen=True, slots=True)
class IngestContext:
    """What the worker needs."""

    database: Database
    vault: Vault
    settings: Settings
    bell: Bell
    heartbeat: Heartbeat
    tokens: AccessTokens
    targets_of: Callable[[str], TargetPolicy]  # which addresses an app's mailboxes may have


@dataclass(frozen=True, slots=True)
class _Held:
    lease: Lease
    watch: Watch


class IngestWorker:
    """Works in one process; the others on this and other hosts have their shares."""

    def __init__(self, context: IngestContext) -> None:
        self._context = context
        self._database = context.database
        self._owner = context.heartbeat.id
        self._memory = MemoryBudget(LARGE_MAIL_BYTES)
        self._held: dict[str, _Held] = {}
        self._broken: dict[str, int] = {}  # by id: the version of settings that can't be used
        self._renewed_at = float("-inf")
        self._is_first_round = True
        self._recorder = ArrivalRecorder(
            context.database,
            context.bell,
            Terms(context.settings.public_url or "", context.settings.soft_bounce_limit),
            context.vault.signing_keys,
            context.heartbeat.meter,
        )
        self._loop = Loop(self._step)

    def wake(self) -> None:
        """A mailbox was created, changed or deleted."""
        self._loop.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch mailboxes until ``stop`` is set."""
        try:
            await self._loop.run(stop)
        finally:
            patience = time_left(stop, STOP_SECONDS)
            await asyncio.to_thread(partial(self._end, list(self._held), patience=patience))

    async def _step(self) -> float:
        return await asyncio.to_thread(self._round)

    def _round(self) -> float:
        rows = self._rows()
        share = min(MOST_MAILBOXES, self._context.heartbeat.share(len(rows), "ingest"))
        stale = [id_ for id_, held in self._held.items() if not _is_current(held, rows.get(id_))]
        others = [id_ for id_ in self._held if id_ not in stale][share:]
        if stale or others:
            self._end([*stale, *others], patience=SHORT_PATIENCE)
            rows = self._rows()
        self._begin(rows, share - len(self._held))
        for held in self._held.values():
            held.watch.end_if_stalled()
        now = clock.monotonic()
        if now - self._renewed_at >= RENEW_SECONDS:
            if self._held:
                self._renew()
            self._renewed_at = now
        self._record_backlog()
        recheck_at = next_recheck(self._database)
        if recheck_at is None:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(0.01, (recheck_at - self._database.now()) / clock.SECOND))

    def _rows(self) -> dict[str, Any]:
        with self._database.read() as connection:
            return {row.id: row for row in readable_mailboxes(connection)}

    # Leases

    def _begin(self, rows: Mapping[str, Any], room: int) -> None:
        now = self._database.now()
        free = [
            row.id
            for row in rows.values()
            if row.id not in self._held
            and _may_be_free(row.leased_until, now)
            and self._broken.get(row.id) != row.updated_at
        ]
        for lease in claim(self._database, free[: max(0, room)], owner=self._owner):
            try:
                self._watch(lease)
            except Exception as error:  # noqa: BLE001 - one mailbox must not stop the others
                log_error(error, mailbox=lease.mailbox_id)
                self._broken[lease.mailbox_id] = rows[lease.mailbox_id].updated_at
                self._give_up(lease, error)

    def _give_up(self, lease: Lease, error: Exception) -> None:
        """Show why the mailbox can't be read with its settings, and let it be until they change."""
        said = str(error) if isinstance(error, VaultError) else f"its settings can't be read ({type(error).__name__})"
        failed, now = FailedSession("auth_refused", said), self._database.now()
        try:
            with self._database.write() as connection:
                note_failed_session(connection, lease.mailbox_id, failed, now=now)
        except Exception as flaw:  # noqa: BLE001 - its state can't be read either
            log_error(flaw, mailbox=lease.mailbox_id)
        release(self._database, [lease])

    def _watch(self, lease: Lease) -> None:
        context = self._context
        row = read_mailbox(context.database, lease.mailbox_id)
        if row is None:
            return  # deleted meanwhile, with its lease
        mailbox = mailbox_of(row, context.vault, targets=context.targets_of(row.app_id))
        mailbox = mailbox_here(row, mailbox, context.settings.data_dir)
        intake = Intake(
            context.database, context.settings, self._recorder, mailbox, lease, self._memory, context.tokens
        )
        held = self._held[row.id] = _Held(lease, Watch(intake, row))
        held.watch.start()

    def _end(self, mailbox_ids: Sequence[str], *, patience: float = STOP_SECONDS) -> None:
        """Stop watching these, and let others do so. A thread that does not end in time can store nothing afterwards."""
        if not mailbox_ids:
            return
        ended = [self._held.pop(id_) for id_ in mailbox_ids]
        for held in ended:
            held.watch.stop()
        deadline = clock.monotonic() + patience
        for held in ended:
            held.watch.join(max(0.0, deadline - clock.monotonic()))
        release(self._database, [held.lease for held in ended])

    def _renew(self) -> None:
        looked = {id_: at for id_, held in self._held.items() if (at := held.watch.take_look()) is not None}
        with self._database.write() as connection:
            renew(connection, self._owner, now=self._database.now())
            note_looks(connection, looked)

    def _record_backlog(self) -> None:
        """Record what a process that died has left, and what had to wait. At the start, without waiting for it to be old."""
        before = self._database.now() - (0 if self._is_first_round else UNCLASSIFIED_FOR)
        self._is_first_round = False
        while kept := take_backlog(self._database, received_before=before):
            if not self._recorder.record(kept):
                return  # another round tries it again


def _may_be_free(leased_until: Any, now: int) -> bool:
    """Whether a claim may succeed. SQLite lets a row hold another type, which must not end the round."""
    return not isinstance(leased_until, int) or leased_until < now


def _is_current(held: _Held, row: Any) -> bool:
    return (
        row is not None
        and row.updated_at == held.watch.version
        and row.lease_token == held.lease.token
        and not held.watch.is_over
    )
