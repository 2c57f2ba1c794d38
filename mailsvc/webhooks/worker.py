"""The webhook worker: posts events and records the results. A slow endpoint does not delay others."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.apps.webhook_form import secrets_in_force
from mailsvc.domain.targets import check_url
from mailsvc.runtime.claimloop import ClaimLoop
from mailsvc.runtime.cpu_pressure import CpuPressure
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.resultwriter import ResultWriter
from mailsvc.runtime.stop import time_left
from mailsvc.runtime.wake import EVENTS, NOTIFY, Bell
from mailsvc.store import leases
from mailsvc.store.database import Database
from mailsvc.store.leases import WEBHOOKS, Quota
from mailsvc.store.vault import Vault, VaultError
from mailsvc.telemetry import Meter
from mailsvc.webhooks.claim import LEASE, ClaimedPost, return_missing, take
from mailsvc.webhooks.endpoint import Endpoint
from mailsvc.webhooks.judge import PostResult, note_failure, record_results
from mailsvc.webhooks.post import Answer, Poster, no_answer, signed_headers

__all__ = ["WebhookWorker"]

LINGER = 0.2  # seconds between commits of results
CLAIM_DISTANCE = 0.1  # seconds between claims: every commit of a mail's result wakes us
CROWDED_DISTANCE = 0.2
CROWDED_POSTS = 50  # per second at least: a twentieth of the capacity of one process
DRAIN_SECONDS = 4.0  # for posts in progress
RECORD_SECONDS = 3.0  # at the end, for queued results
LAST_SECONDS = 0.5  # of those for the end: what was in progress must be recorded


class WebhookWorker:
    """Posts events of one process; the webhooks' side of the claim loop (``claimloop.Lanes``).

    Its poster is closed at the end.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        bell: Bell,
        *,
        owner: str,
        poster: Poster,
        meter: Meter | None = None,
    ) -> None:
        self._database, self._vault, self._bell, self._owner = database, vault, bell, owner
        self._poster, self._meter = poster, meter or Meter()
        self._pressure = CpuPressure()
        self._next_turn = 0.0
        self._endpoints: dict[str, Endpoint] = {}
        self._in_hand: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looked_at = float("-inf")
        self._is_behind = False  # the last round claimed as much as it asked for
        self._claims = ClaimLoop(self, now=database.now, lease_seconds=LEASE / clock.SECOND, distance=self._distance)
        self._results: ResultWriter[PostResult] = ResultWriter(
            database, write=self._record, settled=self._settled, linger=LINGER
        )

    def wake(self) -> None:
        """There may be something to post."""
        self._claims.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then let what is under way finish."""
        await self._claims.run(stop)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=time_left(stop, DRAIN_SECONDS, besides=LAST_SECONDS))
        for task in list(self._tasks):
            task.cancel()  # its row becomes due again, with the same webhook-id
        await asyncio.to_thread(self._results.stop, time_left(stop, RECORD_SECONDS))
        await self._poster.aclose()

    def _distance(self) -> float:
        if self._pressure.is_high():
            return self._looked_at + CROWDED_DISTANCE - clock.monotonic()
        return 0.0 if self._is_behind else self._looked_at + CLAIM_DISTANCE - clock.monotonic()

    # Called by the claim loop

    def hold_off(self) -> float:
        self._looked_at, self._is_behind = clock.monotonic(), False
        return 0.0

    def due_lanes(self, after: str, limit: int) -> list[tuple[str, int]]:
        with self._database.read() as connection:
            return leases.due_lanes(connection, WEBHOOKS, after=after, limit=limit)

    async def usable(self, due: list[tuple[str, int]]) -> list[str]:
        now, usable = self._database.now(), []
        for webhook_id, due_at in due:
            try:
                usable += [webhook_id] if due_at <= now else []
            except TypeError as error:  # SQLite lets a row hold another type
                if self.room(webhook_id):  # not told a moment ago
                    await self.failed(webhook_id, error)
        return usable

    def room(self, lane_id: str) -> int:
        return self._endpoint(lane_id).room()

    def wait(self, lane_id: str) -> float:  # noqa: ARG002 - a response, which wakes us, frees capacity
        return 0.0

    async def claim(self, wanted: Sequence[Quota]) -> Mapping[str, int]:
        claimed = await asyncio.to_thread(partial(take, self._database, wanted, owner=self._owner))
        self._is_behind = bool(claimed) and len(claimed) >= sum(quota.limit for quota in wanted)
        for post in claimed:
            self._start(post)
        return Counter(post.row.webhook_id for post in claimed)

    async def failed(self, lane_id: str, error: Exception) -> None:
        log_error(error, webhook=lane_id)
        self._meter.count("webhook_failures")
        self._endpoint(lane_id).pause()
        with contextlib.suppress(SQLAlchemyError):
            await asyncio.to_thread(note_failure, self._database, lane_id)

    async def return_missing(self) -> None:
        await asyncio.to_thread(return_missing, self._database, self._owner, self._in_hand)

    # Posting

    def _endpoint(self, webhook_id: str) -> Endpoint:
        return self._endpoints.setdefault(webhook_id, Endpoint())

    def _start(self, post: ClaimedPost) -> None:
        self._endpoint(post.hook.id).outstanding += 1
        self._in_hand.add(post.key)
        task = asyncio.create_task(self._post(post))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post(self, post: ClaimedPost) -> None:
        endpoint = self._endpoint(post.hook.id)
        try:
            async with endpoint.turn:
                await self._let_mail_pass()
                answer = await self._answer(post)
            endpoint.note_response(answer.duration)
            self._meter.count("webhooks.delivered" if answer.is_success else "webhooks.failed")
            self._results.put(PostResult(post.row, answer))
        finally:
            endpoint.outstanding -= 1
            self._in_hand.discard(post.key)
            if endpoint.room():
                self.wake()

    async def _let_mail_pass(self) -> None:
        """While the CPUs are busy, mail goes first: posts slow down, and catch up afterwards."""
        if self._pressure.is_high():
            now = clock.monotonic()
            self._next_turn = max(now, self._next_turn) + 1 / CROWDED_POSTS
            await asyncio.sleep(self._next_turn - now)

    async def _answer(self, post: ClaimedPost) -> Answer:
        hook, event = post.hook, post.payload
        try:
            body, now = event.body.encode(), clock.now()
            headers = signed_headers(secrets_in_force(hook, self._vault, now=now), event.id, now, body)
            return await self._poster.post(check_url(hook.url, self._poster.policy), body, headers, ca_pem=hook.ca_pem)
        except (VaultError, ValueError) as error:
            return no_answer(str(error))
        except Exception as error:  # noqa: BLE001 - a row whose result is lost would be held for ever
            log_error(error)
            return no_answer(f"unexpected: {type(error).__name__}")

    def _record(self, connection: Connection, results: list[PostResult]) -> None:
        record_results(connection, results, now=self._database.now())

    def _settled(self, results: list[PostResult]) -> None:
        if not all(result.answer.is_success for result in results):
            self._bell.ring(NOTIFY, EVENTS)  # one of them may have disabled its webhook, which is an event
