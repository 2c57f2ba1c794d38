"""The delivery worker: claims what its relays can take now, hands it to their lanes, and reports what became of it."""

import asyncio
import contextlib
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.delivery.haul import Haul, MessageFacts, extend, fill, overdue, read_body, take
from mailsvc.delivery.journal import Journal, heard_by_others
from mailsvc.delivery.lane import Lane
from mailsvc.delivery.parcel import Parcel, pack
from mailsvc.delivery.rescue import told_by, was_accepted
from mailsvc.delivery.session import RelayTrouble, Session, TransactionResult
from mailsvc.delivery.standing import write_standing
from mailsvc.delivery.throttle import ByteBudget
from mailsvc.delivery.verdicts import Circumstances, finding_of, given_back, given_up
from mailsvc.domain.attempt import Fate
from mailsvc.domain.backoff import relay_retry
from mailsvc.domain.lifecycle import Change
from mailsvc.outbox.relays import KnownRelay, RelayBook
from mailsvc.outcomes.record import Finding, record
from mailsvc.runtime.groupwriter import GroupWriter
from mailsvc.runtime.presence import Presence
from mailsvc.runtime.wake import EVENTS, NOTIFY, Bell
from mailsvc.store import leases
from mailsvc.store.database import Database, explain, is_away
from mailsvc.store.leases import DELIVERIES, DueDelivery
from mailsvc.telemetry import facts, log, meter

__all__ = ["Context", "DeliveryWorker"]

POLL_SECONDS = 1.0
LANES_AT_ONCE = 64
BODY_BYTES = 32 * 1024 * 1024
MOST_UNSETTLED = 5000
LOOK_SECONDS = 0.05
SUPPRESSED_LATER = "the address was put on the suppression list after the message was accepted"
LINGER = 0.05  # seconds between commits of results
CLAIM_DISTANCE = 0.02  # seconds between claims, where the last one left nothing due
_BOOK_MEMORY = 2.0  # seconds, comfortably more than the relay book remembers


@dataclass(frozen=True, slots=True)
class Context:
    """What the worker is given by the composition root."""

    database: Database
    relays: RelayBook
    bell: Bell
    presence: Presence
    journal_directory: Path
    lease_seconds: int
    verp_key: bytes


class Report(msgspec.Struct):
    """Findings of one transaction, and the journal's number for it where a dot went out."""

    findings: list[Finding]
    number: int | None = None


class DeliveryWorker:
    """One process's part in working off the queue."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._database = context.database
        self.owner = context.presence.id
        self._lease = context.lease_seconds
        self._lanes: dict[str, Lane] = {}
        self._parcels: set[Parcel] = set()
        self._budget = ByteBudget(BODY_BYTES)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="delivery-db")
        self._more = asyncio.Event()
        self._after = ""
        self._claimed_at = -CLAIM_DISTANCE
        self._missing_since: float | None = None  # a claim's answer was lost: rows may be ours without our knowing
        self._looked_at = 0.0
        self._shown_at = 0.0
        self._journal: Journal
        self._recorder: GroupWriter[Report]
        self._loop: asyncio.AbstractEventLoop

    def wake(self) -> None:
        """There may be something to claim."""
        self._more.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then drain."""
        self._loop = asyncio.get_running_loop()
        self._journal = Journal(self._context.journal_directory, self.owner)
        self._recorder = GroupWriter(
            self._database, write=self._record, settled=self._settled, linger=LINGER, plainly=_without_words
        )
        keeper = asyncio.create_task(self._keep_leases())
        stopper = asyncio.create_task(stop.wait())
        stopper.add_done_callback(lambda _: self._more.set())
        try:
            while not stop.is_set():
                await self._keep_distance()
                self._more.clear()
                rest = await self._round()
                if rest > 0 and not stop.is_set():  # it may have woken us before the look, and be forgotten
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(rest):
                            await self._more.wait()
        finally:
            await self._drain()
            keeper.cancel()
            stopper.cancel()

    # Claiming

    async def _round(self) -> float:
        """Claim once for every lane that has something due; the answer is how many seconds to rest."""
        self._show_pool()
        if self._recorder.unsettled > MOST_UNSETTLED:
            return 0.05  # the database is slow or away: what was sent must be recorded before more is
        try:
            # A lane whose last claim came back full surely has more: no need to look for it first.
            due = [] if (lanes := self._hungry()) else await self._in_thread(self._due_lanes)
            lanes = lanes or self._open_lanes(due)
            wanted = [leases.Lane(lane.relay.id, room) for lane in lanes if (room := lane.room()) > 0]
            claimed = await self._claim(wanted) if wanted else 0
        except Exception as error:  # noqa: BLE001 - whatever it was, the loop must go on
            _complain(error)
            return POLL_SECONDS
        if claimed or self._after:
            return 0  # there may be more, or relays that were not looked at yet
        return self._rest(due)

    async def _keep_distance(self) -> None:
        """A trickle of mail is claimed a few messages at a time: a commit for each would hold up those who bring it."""
        passed = clock.monotonic() - self._claimed_at
        if passed < CLAIM_DISTANCE and not any(lane.has_backlog for lane in self._lanes.values()):
            await asyncio.sleep(CLAIM_DISTANCE - passed)

    def _show_pool(self) -> None:
        now = clock.monotonic()
        if now - self._shown_at >= POLL_SECONDS:
            self._shown_at = now
            meter.gauge("connections", sum(lane.connections for lane in self._lanes.values()))
            meter.gauge("connections_busy", sum(lane.busy for lane in self._lanes.values()))

    def _hungry(self) -> list[Lane]:
        """Lanes with a backlog and room; but every now and then nobody, so that the others get their turn."""
        now = clock.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._looked_at = now
            return []
        return [lane for lane in self._lanes.values() if lane.has_backlog and lane.room() > 0][:LANES_AT_ONCE]

    def _rest(self, due: list[tuple[str, int]]) -> float:
        now, soonest = self._database.now(), POLL_SECONDS
        for relay_id, due_at in due:
            wait = (due_at - now) / clock.SECOND
            if wait <= 0:
                # Its relay's rate sets the time, or something that polling will see: the relay is paused, say.
                lane = self._lanes.get(relay_id)
                wait = (lane.pace.wait(clock.monotonic()) if lane is not None else 0.0) or POLL_SECONDS
            soonest = min(soonest, wait)
        return max(soonest, 0.002)

    def _due_lanes(self) -> list[tuple[str, int]]:
        """The next relays in turn that have unfinished deliveries."""
        with self._database.read() as connection:
            due = leases.due_lanes(connection, DELIVERIES, after=self._after, limit=LANES_AT_ONCE)
            if len(due) < LANES_AT_ONCE and self._after:
                seen = {relay_id for relay_id, _ in due}
                first = leases.due_lanes(connection, DELIVERIES, after="", limit=LANES_AT_ONCE - len(due))
                due += [lane for lane in first if lane[0] not in seen]
                self._after = ""
            elif len(due) == LANES_AT_ONCE:
                self._after = due[-1][0]
        self._context.relays.get_many([relay_id for relay_id, _ in due])
        return due

    def _open_lanes(self, due: list[tuple[str, int]]) -> list[Lane]:
        now = self._database.now()
        ready = []
        for relay_id, due_at in due:
            known = self._context.relays.get(relay_id)
            if known is None or not known.enabled or known.paused:
                self._leave_alone(relay_id)
                continue
            if due_at > now:
                if relay_id in self._lanes:
                    self._lane(known).has_backlog = False
                continue
            lane = self._lane(known)
            if known.retry_at is None or known.retry_at <= now:
                ready.append(lane)
        return ready

    def _leave_alone(self, relay_id: str) -> None:
        """What was claimed for a relay that is gone, disabled or paused waits like the rest of its mail."""
        lane = self._lanes.get(relay_id)
        if lane is not None:
            lane.has_backlog = False
            lane.adopt(lane.relay, 0)

    def _lane(self, known: KnownRelay) -> Lane:
        relay = known.relay
        lane = self._lanes.get(relay.id)
        if lane is None:
            lane = self._lanes[relay.id] = Lane(relay, self)
        if known.retry_at is None and lane.blocked_until is not None:
            if clock.monotonic() - lane.blocked_at > _BOOK_MEMORY:  # else what we know of the row may be older
                lane.unblock()
        elif known.retry_at is not None and lane.blocked_until is None:
            lane.block(0)
            lane.opened_breaker = known.failures
        share = self._context.presence.share(relay.max_connections)
        lane.adopt(relay, share)
        lane.pace.set_rate(relay.rate * share / relay.max_connections if relay.rate else None)
        return lane

    async def _claim(self, wanted: list[leases.Lane]) -> int:
        deadline = clock.monotonic() + self._lease
        try:
            haul, to_send = await self._in_thread(partial(self._haul, wanted))
        except BaseException:
            self._missing_since = clock.monotonic()
            raise
        by_lane: dict[str, dict[str, list[DueDelivery]]] = {}
        now = self._database.now()
        for row in to_send:
            message = haul.messages.get(row.message_id)
            if row.id in haul.suppressed:
                self._recorder.put(Report([Finding(row.id, Change.SUPPRESS, row.lease_token, why=SUPPRESSED_LATER)]))
            elif message is not None and not self._is_void(row, message, now):
                by_lane.setdefault(row.relay_id, {}).setdefault(row.message_id, []).append(row)
        for relay_id, by_message in by_lane.items():
            self._hand_over(self._lanes[relay_id], by_message, haul, deadline)
        self._note_backlogs(wanted, haul.rows)
        if haul.rows:
            self._claimed_at = clock.monotonic()
        return len(haul.rows)

    def _haul(self, wanted: list[leases.Lane]) -> tuple[Haul, list[DueDelivery]]:
        """What was claimed, and those of its rows that are to be sent."""
        haul = take(self._database, wanted, owner=self.owner, lease_seconds=self._lease)
        to_send = haul.rows
        if haul.rows:
            try:
                to_send = self._without_settled(haul.rows)  # first: what it finds holds, whatever fails afterwards
                fill(haul, self._database, room=self._budget.room)
            except BaseException:
                now = self._database.now()
                for row in to_send:
                    self._recorder.put(Report([given_back(row, now)]))
                raise
        return haul, to_send

    def _without_settled(self, rows: list[DueDelivery]) -> list[DueDelivery]:
        """The rows without those whose last worker had its reply but stood still before it could record it."""
        if not any(row.uncertain for row in rows):
            return rows
        directory = self._context.journal_directory
        heard = heard_by_others(directory, self.owner)
        accepted = {claim[0]: entry for claim, entry in heard.items() if was_accepted(entry)}
        left, now = [], self._database.now()
        for row in rows:
            entry = heard.get((row.id, row.lease_token - 1)) if row.uncertain else None
            if entry is None and row.uncertain and not row.attempts:
                # Claims that came to nothing may lie in between. With no attempt recorded, this is none of an earlier
                # round, which bounced and was begun anew. A refusal would say nothing of the claims after it.
                entry = accepted.get(row.id)
            if entry is None:
                left.append(row)
            else:
                self._recorder.put(Report([told_by(entry, row, now)]))
        return left

    def _note_backlogs(self, wanted: list[leases.Lane], rows: list[DueDelivery]) -> None:
        counts = Counter(row.relay_id for row in rows)
        for asked in wanted:
            lane, count = self._lanes[asked.id], counts[asked.id]
            lane.pace.take(count, clock.monotonic())
            lane.has_backlog = count == asked.limit

    def _is_void(self, row: DueDelivery, message: MessageFacts, now: int) -> bool:
        """Whether this claim ends without a transaction: expired, or uncertain and not to be repeated."""
        if row.uncertain and message.on_uncertain == "hold":
            self._recorder.put(Report([given_up(row)]))
            return True
        if row.expires_at is not None and row.expires_at <= now:
            self._recorder.put(Report([Finding(row.id, Change.EXPIRE, row.lease_token, why="expired")]))
            return True
        return False

    def _hand_over(self, lane: Lane, by_message: dict[str, list[DueDelivery]], haul: Haul, deadline: float) -> None:
        parcels = []
        for message_id, claims in by_message.items():
            message = haul.messages[message_id]
            packed = pack(message, claims, lane.relay, self._journal, deadline=deadline, key=self._context.verp_key)
            content = haul.bodies.get(message_id)
            for parcel in packed:
                if content is not None and self._budget.fits(message.size):
                    parcel.content, parcel.held_bytes = content, message.size
                    self._budget.take(message.size)
            parcels += packed
        self._parcels.update(parcels)
        lane.put(parcels)

    # What lanes ask for (LaneOwner)

    async def load(self, parcel: Parcel) -> bool:
        """Read the body into memory; False where it can't be read now."""
        if not self._budget.fits(parcel.message.size):
            self._forget_read_ahead()
        await self._budget.wait_for(parcel.message.size)
        parcel.held_bytes = parcel.message.size
        try:
            parcel.content = await self._in_thread(partial(read_body, self._database, parcel.message.id))
        except Exception as error:  # noqa: BLE001
            _complain(error)
        return parcel.content is not None

    def _forget_read_ahead(self) -> None:
        """Bodies whose turn has not come must not keep one waiting whose turn it is: it may be in their way."""
        for lane in self._lanes.values():
            for parcel in lane.parcels:
                self._let_go(parcel)

    def _let_go(self, parcel: Parcel) -> None:
        parcel.content = None
        if parcel.held_bytes:
            self._budget.give_back(parcel.held_bytes)
            parcel.held_bytes = 0

    def finished(
        self,
        parcel: Parcel,
        session: Session,
        result: TransactionResult,
        started_at: int,
    ) -> None:
        seen = Circumstances(
            started_at,
            result.duration * 1000,
            session.host,
            session.tls,
            self._database.now,
            random.random(),  # noqa: S311 - jitter
        )
        message = parcel.message
        # A scheduled message may have been told to go at once.
        waited = max(0.0, (started_at - (message.scheduled_at or message.created_at)) / clock.SECOND)
        findings = []
        for claim, verdict in zip(parcel.claims, result.verdicts, strict=True):
            findings.append(finding_of(parcel, claim, verdict, seen))
            meter.count(f"attempts.{verdict.fate}")
            if verdict.fate is Fate.SENT:
                meter.observe_latency(waited + result.duration)
        self._report(parcel, findings)

    def give_back(self, parcels: list[Parcel], *, after: float = 0.0) -> None:
        now = self._database.now() + int(after * clock.SECOND)
        for parcel in parcels:
            self._report(parcel, [given_back(claim, now) for claim in parcel.claims])

    def _report(self, parcel: Parcel, findings: list[Finding]) -> None:
        self._let_go(parcel)
        self._parcels.discard(parcel)
        self._recorder.put(Report(findings, parcel.number))

    def wants_more(self) -> None:
        self._more.set()

    async def relay_failed(self, lane: Lane, trouble: RelayTrouble) -> None:
        """Open the breaker: leave the relay alone for a while, and say so."""
        lane.opened_breaker += 1
        now = self._database.now()
        retry_at = relay_retry(lane.opened_breaker, now=now, chance=random.random())  # noqa: S311 - jitter
        lane.block((retry_at - now) / clock.SECOND)
        log.warning(
            "relay backs off",
            extra=facts(relay=lane.relay.name, stage=trouble.stage.value, reason=trouble.text),
        )
        values = {
            "failures": lane.opened_breaker,
            "retry_at": retry_at,
            "last_error": f"{trouble.stage.value}: {trouble.text}",
        }
        await self._tell_of_relay(lane, values, "relay.paused" if lane.opened_breaker == 1 else None)

    async def relay_recovered(self, lane: Lane) -> None:
        log.info("relay works again", extra=facts(relay=lane.relay.name))
        await self._tell_of_relay(lane, {"failures": 0, "retry_at": None}, "relay.resumed")

    async def _tell_of_relay(self, lane: Lane, values: dict[str, Any], event_type: str | None) -> None:
        try:
            await self._in_thread(partial(write_standing, self._database, lane.relay.id, values, event_type))
        except Exception as error:  # noqa: BLE001 - the breaker works without being written down
            _complain(error)
        self._context.relays.forget()
        self._context.bell.ring(NOTIFY, EVENTS)

    # Keeping and ending

    def _record(self, connection: Connection, reports: list[Report]) -> None:
        record(
            connection,
            [finding for report in reports for finding in report.findings],
            now=self._database.now(),
        )

    def _settled(self, reports: list[Report]) -> None:
        """Called by the writer's thread after its commit."""
        self._context.bell.ring(NOTIFY, EVENTS)
        numbers = [report.number for report in reports if report.number is not None]
        self._loop.call_soon_threadsafe(self._forget, numbers)

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            self._journal.settled(number)

    async def _keep_leases(self) -> None:
        """Long transmissions extend their lease; a lane that is quick never needs it."""
        while True:
            await asyncio.sleep(self._lease / 4)
            now = clock.monotonic()
            if not self._budget.room:
                self._forget_read_ahead()  # some may have come back to their lane since
            late = [p for p in self._parcels if p.deadline - now < self._lease * 0.6]
            try:
                await self._extend(late)
                if self._missing_since is not None and now - self._missing_since > self._lease:
                    await self._return_missing()
            except Exception as error:  # noqa: BLE001 - then the fence at the dot decides
                _complain(error)

    async def _return_missing(self) -> None:
        """Make due again what was claimed for us by a transaction whose answer never came."""
        began, in_hand = self._missing_since, {c.id for p in self._parcels for c in p.claims}
        rows = await self._in_thread(partial(overdue, self._database, self.owner))
        now = self._database.now()
        for row in rows:
            if row.id not in in_hand:
                # Behind the results that wait in the recorder: what is among them is no more in the state that this ends.
                self._recorder.put(Report([Finding(row.id, Change.RETURN, row.lease_token, due_at=now)]))
        if self._missing_since == began:
            self._missing_since = None

    async def _extend(self, parcels: list[Parcel]) -> None:
        for start in range(0, len(parcels), 200):
            some = parcels[start : start + 200]
            deadline = clock.monotonic() + self._lease
            claims = [claim for parcel in some for claim in parcel.claims]
            held = await self._in_thread(partial(extend, self._database, claims, lease_seconds=self._lease))
            for parcel in some:
                if held.issuperset(c.id for c in parcel.claims):
                    parcel.deadline = deadline

    async def _drain(self) -> None:
        await asyncio.gather(*(lane.stop(5.0) for lane in self._lanes.values()))
        await asyncio.to_thread(self._recorder.stop, 3.0)
        await asyncio.sleep(0)  # lets the last settlements reach the journal
        self._journal.close()
        self._threads.shutdown(wait=False)

    async def _in_thread(self, function: Any) -> Any:
        return await self._loop.run_in_executor(self._threads, function)


def _without_words(report: Report) -> Report:
    """The fates alone, without what the relay said."""
    bare = [msgspec.structs.replace(finding, tried=None, why="see the log") for finding in report.findings]
    return Report(bare, report.number)


def _complain(error: Exception) -> None:
    if is_away(error):
        said = explain(error) if isinstance(error, SQLAlchemyError | OSError) else str(error)
        log.warning("the database is away; deliveries wait", extra=facts(error=said))
    else:
        log.error("delivery: unexpected", exc_info=error)
