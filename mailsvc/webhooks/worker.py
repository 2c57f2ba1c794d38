"""The webhook worker: claims due rows, posts the events signed, writes down how it went. One slow endpoint delays no other."""

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.apps.webhook_form import secrets_in_force
from mailsvc.domain.signing import sign
from mailsvc.domain.targets import TargetPolicy, check_url
from mailsvc.eventlog.append import NewEvent, announce
from mailsvc.runtime.complaint import complain
from mailsvc.runtime.cpu_pressure import CpuPressure
from mailsvc.runtime.resultwriter import ResultWriter
from mailsvc.runtime.wake import EVENTS, NOTIFY, Bell
from mailsvc.store import leases
from mailsvc.store.bulk import Document, among, carry_out, listed, update_of
from mailsvc.store.database import Database, is_away
from mailsvc.store.leases import WEBHOOKS
from mailsvc.store.tables import event, webhook, webhook_delivery
from mailsvc.store.vault import Vault, VaultError
from mailsvc.telemetry import facts, log, meter
from mailsvc.webhooks.endpoint import Endpoint
from mailsvc.webhooks.post import Answer, Poster
from mailsvc.webhooks.schedule import next_attempt

__all__ = ["WebhookWorker", "is_success", "release_claims", "signed_headers"]

POLL_SECONDS = 1.0
LEASE = 90 * clock.SECOND
LANES_AT_ONCE = 64
GIVE_UP_AFTER = 5 * clock.DAY
GONE = 410
LINGER = 0.2  # seconds between commits of results
CLAIM_DISTANCE = 0.1  # seconds between looks for work
IN_A_CROWD_SECONDS = 0.2
POSTS_IN_A_CROWD = 50  # a second at least: a twentieth of what one process could post
_KEYS = ("webhook_id", "event_id", "lease_token")


class _Told(msgspec.Struct, array_like=True, gc=False):
    """An event, and what is posted of it."""

    id: str
    body: str


@dataclass(slots=True)
class _Result:
    """How one POST went."""

    row: Any
    answer: Answer


class WebhookWorker:
    """One process's part in telling applications."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        bell: Bell,
        *,
        owner: str,
        targets: TargetPolicy,
        ca_pem: str | None = None,
    ) -> None:
        self._database, self._vault, self._bell, self._owner = database, vault, bell, owner
        self._targets = targets
        self._poster = Poster(targets, ca_pem=ca_pem)
        self._strain = CpuPressure()
        self._next_turn = 0.0
        self._endpoints: dict[str, Endpoint] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._more = asyncio.Event()
        self._after = ""
        self._looked_at = -CLAIM_DISTANCE
        self._has_backlog = False  # the last claim took as much as it had asked for
        self._in_hand: set[tuple[str, str]] = set()
        self._missing_since: float | None = None  # a claim's answer was lost: rows may be ours without our knowing
        self._writer: ResultWriter[_Result]
        self._loop: asyncio.AbstractEventLoop

    def wake(self) -> None:
        """There may be something to post."""
        self._more.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then let what is under way finish."""
        self._loop = asyncio.get_running_loop()
        self._writer = ResultWriter(self._database, write=self._record, settled=self._settled, linger=LINGER)
        stopper = asyncio.create_task(stop.wait())
        stopper.add_done_callback(lambda _: self.wake())
        while not stop.is_set():
            await self._keep_distance()
            self._more.clear()
            rest = await self._round()
            if rest > 0 and not stop.is_set():  # it may have woken us before the look, and be forgotten
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(rest):
                        await self._more.wait()
        await self._drain()

    async def _keep_distance(self) -> None:
        """Every commit of the mail's wakes us: look now and then only."""
        distance = IN_A_CROWD_SECONDS if self._strain.is_high() else 0 if self._has_backlog else CLAIM_DISTANCE
        passed = clock.monotonic() - self._looked_at
        if passed < distance:
            await asyncio.sleep(distance - passed)
        self._looked_at = clock.monotonic()

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=4)
        for task in list(self._tasks):
            task.cancel()  # its row falls due again, and the webhook-id is the same
        await asyncio.to_thread(self._writer.stop, 3.0)
        await self._poster.aclose()

    async def _round(self) -> float:
        try:
            due = await asyncio.to_thread(self._due)
            now = self._database.now()
            wanted = await self._wanted([id_ for id_, at in due if at <= now])
            claimed = await self._claim_apart(wanted) if wanted else []
            if self._missing_since is not None and clock.monotonic() - self._missing_since > LEASE / clock.SECOND:
                await asyncio.to_thread(self._return_missing)
        except Exception as error:  # noqa: BLE001 - whatever it was, the loop must go on
            complain(error)
            return POLL_SECONDS
        for row, hook, told in claimed:
            self._start(row, hook, told)
        self._has_backlog = bool(claimed) and len(claimed) >= sum(lane.limit for lane in wanted)
        if claimed or self._after:
            return 0
        soonest = min((at for _, at in due if at > now), default=now + clock.DAY)
        return max(0.002, min(POLL_SECONDS, (soonest - now) / clock.SECOND))

    async def _wanted(self, due: list[str]) -> list[leases.Quota]:
        """How much each of these webhooks can take now."""
        wanted = []
        for webhook_id in due:
            try:
                room = self._endpoint(webhook_id).room()
            except Exception as error:  # noqa: BLE001 - it must not keep the other webhooks from their turn
                await self._failed(webhook_id, error)
                continue
            if room > 0:
                wanted.append(leases.Quota(webhook_id, room))
        return wanted

    async def _claim_apart(self, wanted: list[leases.Quota]) -> list[tuple[Any, Any, Any]]:
        """For all webhooks at once; each apart where that fails, so that one can't end the round of the others."""
        try:
            return await self._claim_for(wanted)
        except Exception as error:
            if is_away(error) and len(wanted) == 1:
                raise
            claimed: list[tuple[Any, Any, Any]] = []
            for one in wanted:
                try:
                    claimed += await self._claim_for([one])
                except Exception as flaw:
                    if is_away(flaw) and not claimed and one is wanted[-1]:
                        raise  # it is not the webhooks
                    await self._failed(one.id, flaw)
            return claimed

    async def _failed(self, webhook_id: str, error: Exception) -> None:
        """Nothing can be posted to this webhook, and not because of its endpoint: it says so, and the others go on."""
        complain(error, webhook=webhook_id)
        meter.count("webhook_failures")
        self._endpoint(webhook_id).leave_alone()
        with contextlib.suppress(SQLAlchemyError):
            await asyncio.to_thread(self._note_failure, webhook_id)

    def _note_failure(self, webhook_id: str) -> None:
        with self._database.write() as connection:
            own = (webhook.c.id == webhook_id) & webhook.c.failing_since.is_(None)
            connection.execute(update(webhook).where(own).values(failing_since=self._database.now()))

    def _due(self) -> list[tuple[str, int]]:
        with self._database.read() as connection:
            due = leases.due_lanes(connection, WEBHOOKS, after=self._after, limit=LANES_AT_ONCE)
        self._after = due[-1][0] if len(due) == LANES_AT_ONCE else ""
        return due

    def _endpoint(self, webhook_id: str) -> Endpoint:
        endpoint = self._endpoints.get(webhook_id)
        if endpoint is None:
            endpoint = self._endpoints[webhook_id] = Endpoint()
        return endpoint

    async def _claim_for(self, wanted: list[leases.Quota]) -> list[tuple[Any, Any, Any]]:
        try:
            return await asyncio.to_thread(self._claim, wanted)
        except BaseException:
            self._missing_since = clock.monotonic()
            raise

    def _return_missing(self) -> None:
        """Make due again what was claimed for us by a transaction whose answer never came."""
        began = self._missing_since
        with self._database.write() as connection:
            now = self._database.now()
            for row in leases.overdue(connection, WEBHOOKS, owner=self._owner, now=now):
                if (row.webhook_id, row.event_id) not in self._in_hand:
                    connection.execute(_RETURN, {**row._mapping, "now": now})  # noqa: SLF001 - its public name
        if self._missing_since == began:
            self._missing_since = None

    def _claim(self, wanted: list[leases.Quota]) -> list[tuple[Any, Any, Any]]:
        with self._database.write() as connection:
            now = self._database.now()
            rows = leases.claim(
                connection,
                WEBHOOKS,
                wanted,
                owner=self._owner,
                now=now,
                until=now + LEASE,
            )
            hooks = {
                hook.id: hook for hook in connection.execute(_HOOKS, {"ids": list({row.webhook_id for row in rows})})
            }
            told = _told(connection, {row.event_id for row in rows})
            lost = [row for row in rows if row.webhook_id not in hooks or row.event_id not in told]
            _abandon(connection, lost, now)
        return [(row, hooks[row.webhook_id], told[row.event_id]) for row in rows if row not in lost]

    def _start(self, row: Any, hook: Any, told: Any) -> None:
        self._endpoint(hook.id).outstanding += 1
        self._in_hand.add((row.webhook_id, row.event_id))
        task = asyncio.create_task(self._post(row, hook, told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post(self, row: Any, hook: Any, told: Any) -> None:
        endpoint = self._endpoint(hook.id)
        try:
            async with endpoint.turn:
                await self._let_others_pass()
                answer = await self._try(hook, told)
            endpoint.took(answer.duration)
            meter.count("webhooks.delivered" if is_success(answer) else "webhooks.failed")
            self._writer.put(_Result(row, answer))
        finally:
            endpoint.outstanding -= 1
            self._in_hand.discard((row.webhook_id, row.event_id))
            if endpoint.room():
                self._more.set()

    async def _let_others_pass(self) -> None:
        """While the processors are in demand, mail goes first: posts take a small share, and catch up afterwards."""
        if self._strain.is_high():
            now = clock.monotonic()
            self._next_turn = max(now, self._next_turn) + 1 / POSTS_IN_A_CROWD
            await asyncio.sleep(self._next_turn - now)

    async def _try(self, hook: Any, told: Any) -> Answer:
        try:
            body, now = told.body.encode(), clock.now()
            headers = signed_headers(secrets_in_force(hook, self._vault, now=now), told.id, now, body)
            return await self._poster.post(check_url(hook.url, self._targets), body, headers, ca_pem=hook.ca_pem)
        except (VaultError, ValueError) as error:
            return _no_answer(str(error))
        except Exception as error:  # noqa: BLE001 - a row whose result is lost would stay in our hands for ever
            complain(error)
            return _no_answer(f"unexpected: {type(error).__name__}")

    def _record(self, connection: Connection, results: list[_Result]) -> None:
        now = self._database.now()
        settled = [_settlement(result, now) for result in results]
        carry_out(connection, update_of(connection.dialect.name, webhook_delivery, _KEYS, settled))
        by_hook: dict[str, list[_Result]] = {}
        for result in results:
            by_hook.setdefault(result.row.webhook_id, []).append(result)
        for hook_id, own in by_hook.items():
            self._judge(connection, hook_id, own, now)

    def _judge(self, connection: Connection, hook_id: str, results: list[_Result], now: int) -> None:
        """Keep the endpoint's record: a success clears it, 410 or five days of nothing but failure disable it."""
        hook = connection.execute(select(webhook).where(webhook.c.id == hook_id)).first()
        if hook is None:
            return
        if not hook.enabled:  # by a post beside this one, or by hand: what was under way is not tried again
            _give_up_waiting(connection, hook, hook.disabled_reason or "by hand")
            return
        gone = any(result.answer.status == GONE for result in results)
        if any(is_success(result.answer) for result in results) and not gone:
            if hook.failing_since is not None:
                connection.execute(update(webhook).where(webhook.c.id == hook_id).values(failing_since=None))
        elif gone or (hook.failing_since is not None and now - hook.failing_since >= GIVE_UP_AFTER):
            _disable(
                connection,
                hook,
                "it answered 410 Gone" if gone else "it failed for five days",
                now,
            )
        elif hook.failing_since is None:
            connection.execute(update(webhook).where(webhook.c.id == hook_id).values(failing_since=now))

    def _settled(self, results: list[_Result]) -> None:
        if not all(is_success(result.answer) for result in results):
            self._bell.ring(NOTIFY, EVENTS)  # one of them may have disabled its webhook, which is news


def release_claims(database: Database, owner: str) -> None:
    """Let others post at once what a dead worker had claimed, rather than when its leases end."""
    with database.write() as connection:
        held = (webhook_delivery.c.lease_owner == owner) & webhook_delivery.c.due_at.is_not(None)
        values = {"status": "queued", "due_at": database.now(), "lease_owner": None}
        connection.execute(update(webhook_delivery).where(held).values(**values))


def signed_headers(secrets: list[str], event_id: str, now: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks, and what the body is."""
    timestamp = now // clock.SECOND
    return {
        "content-type": "application/json",
        "user-agent": "mailsvc",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, event_id, timestamp, body),
    }


_HOOKS = select(webhook).where(webhook.c.id.in_(bindparam("ids", expanding=True)), webhook.c.enabled)
_RETURN = text(
    "UPDATE mailsvc_webhook_delivery SET status = 'queued', due_at = :now, lease_owner = NULL "
    "WHERE webhook_id = :webhook_id AND event_id = :event_id AND lease_token = :lease_token"
)
_EVENTS = Document(select(event.c.id, event.c.body).where(among(event.c.id, "ids")), _Told, prepare=False)


def _told(connection: Connection, ids: set[str]) -> dict[str, _Told]:
    """The events with these ids; one that can't be read is missing, as one that was dropped is."""
    try:
        return {each.id: each for each in _EVENTS.read(connection, ids=listed(ids))}
    except Exception as error:
        if is_away(error):
            raise
        if len(ids) == 1:
            complain(error, event=min(ids))
            return {}
        return {id_: each for one in ids for id_, each in _told(connection, {one}).items()}


def _no_answer(error: str) -> Answer:
    return Answer(status=None, body=b"", error=error, duration=0.0, retry_after=None)


def is_success(answer: Answer) -> bool:
    """Whether the endpoint took the event: any 2xx, and nothing else."""
    return answer.status is not None and 200 <= answer.status < 300


def _settlement(result: _Result, now: int) -> dict[str, Any]:
    answer, attempts = result.answer, result.row.attempts + 1
    due_at = None
    if not is_success(answer) and answer.status != GONE:
        due_at = next_attempt(attempts, now=now, chance=random.random(), retry_after=answer.retry_after)  # noqa: S311 - jitter
    status = "delivered" if is_success(answer) else "queued" if due_at is not None else "failed"
    return {
        "webhook_id": result.row.webhook_id,
        "event_id": result.row.event_id,
        "lease_token": result.row.lease_token,
        "status": status,
        "due_at": due_at,
        "attempts": attempts,
        "status_code": answer.status,
        "error": answer.error,
        "response": answer.body.decode("utf-8", "replace").replace("\0", "�")
        if answer.body and status != "delivered"
        else None,
        "duration_ms": answer.duration * 1000,
        "lease_owner": None,
        "updated_at": now,
    }


def _disable(connection: Connection, hook: Any, reason: str, now: int) -> None:
    changed = (
        update(webhook)
        .where(webhook.c.id == hook.id, webhook.c.enabled)
        .values(enabled=False, disabled_reason=reason, updated_at=now)
    )
    if connection.execute(changed).rowcount != 1:
        return  # another worker got there first, and has told
    _give_up_waiting(connection, hook, reason)
    log.warning("webhook disabled", extra=facts(webhook=hook.id, reason=reason))
    data = {"webhook_id": hook.id, "url": hook.url, "reason": reason}
    announce(connection, [NewEvent(hook.app_id, "webhook.disabled", data)], now=now)


def _give_up_waiting(connection: Connection, hook: Any, reason: str) -> None:
    waiting = (webhook_delivery.c.webhook_id == hook.id) & webhook_delivery.c.due_at.is_not(None)
    connection.execute(
        update(webhook_delivery)
        .where(waiting)
        .values(due_at=None, status="failed", error=f"webhook disabled: {reason}")
    )


def _abandon(connection: Connection, rows: list[Any], now: int) -> None:
    """Rows whose webhook is disabled or gone, or whose event was dropped, are not posted any more."""
    for row in rows:
        key = (webhook_delivery.c.webhook_id == row.webhook_id) & (webhook_delivery.c.event_id == row.event_id)
        connection.execute(
            update(webhook_delivery)
            .where(key)
            .values(due_at=None, status="failed", error="webhook disabled", updated_at=now)
        )
