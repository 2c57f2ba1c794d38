"""The delivery worker: claims what its relays can take now, hands it to their lanes, and reports what became of it."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from mailsvc import clock
from mailsvc.apps.relays import RelayBook
from mailsvc.delivery.breaker import Hesitation
from mailsvc.delivery.claim import ClaimedBatch, MessageFacts, extend, fill_apart, overdue, read_body, take
from mailsvc.delivery.journal import Journal, heard_by_others
from mailsvc.delivery.lane import Lane
from mailsvc.delivery.lanes import Lanes
from mailsvc.delivery.parcel import Parcel, pack
from mailsvc.delivery.recover import told_by, was_accepted
from mailsvc.delivery.relay_health import RelayHealth
from mailsvc.delivery.throttle import ByteBudget
from mailsvc.delivery.verdicts import Circumstances, given_back, given_up, outcome_of, smtp_of_trouble
from mailsvc.domain.attempt import Fate, Stage
from mailsvc.domain.lifecycle import Change
from mailsvc.outcomes.record import Outcome, record, smtp_json
from mailsvc.runtime.complaint import complain
from mailsvc.runtime.heartbeat import Heartbeat
from mailsvc.runtime.resultwriter import ResultWriter
from mailsvc.runtime.wake import EVENTS, NOTIFY, Bell
from mailsvc.smtp.opening import RelayTrouble, Session, TransactionResult
from mailsvc.smtp.trouble import unexpected
from mailsvc.store import leases
from mailsvc.store.database import Database, is_away
from mailsvc.store.leases import DELIVERIES, DueDelivery
from mailsvc.telemetry import meter

__all__ = ["Context", "DeliveryWorker"]

POLL_SECONDS = 1.0
LANES_AT_ONCE = 64
BODY_BYTES = 32 * 1024 * 1024
MOST_UNSETTLED = 5000
LOOK_SECONDS = 0.05
SUPPRESSED_LATER = "the address was put on the suppression list after the message was accepted"
LINGER = 0.05  # seconds between commits of results
CLAIM_DISTANCE = 0.02  # seconds between claims, where the last one left nothing due
DRAIN_SECONDS = 10.0  # for transactions that are under way
_NO_MESSAGE = "the message can't be read; see the log"
_ENOUGH = 3  # lanes for which the database fails, before it is taken to be away


@dataclass(frozen=True, slots=True)
class Context:
    """What the worker is given by the composition root."""

    database: Database
    relays: RelayBook
    bell: Bell
    presence: Heartbeat
    journal_directory: Path
    lease_seconds: int
    verp_key: bytes


class Report(msgspec.Struct):
    """Findings of one transaction, and the journal's number for it where a dot went out."""

    outcomes: list[Outcome]
    number: int | None = None


class DeliveryWorker:
    """One process's part in working off the queue."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._database = context.database
        self.owner = context.presence.id
        self._lease = context.lease_seconds
        self._standing = RelayHealth(context.database, self._write_down)
        self._opened = Lanes(context.database, context.relays, self._standing, self, context.presence.share)
        self._lanes = self._opened.by_id
        self._parcels: set[Parcel] = set()
        self._budget = ByteBudget(BODY_BYTES)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="delivery-db")
        self._more = asyncio.Event()
        self._hesitation = Hesitation()
        self._after = ""
        self._claimed_at = -CLAIM_DISTANCE
        self._missing_since: float | None = None  # a claim's answer was lost: rows may be ours without our knowing
        self._looked_at = 0.0
        self._shown_at = 0.0
        self._journal: Journal
        self._recorder: ResultWriter[Report]
        self._loop: asyncio.AbstractEventLoop

    def wake(self) -> None:
        """There may be something to claim."""
        self._more.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then drain."""
        self._loop = asyncio.get_running_loop()
        self._journal = Journal(self._context.journal_directory, self.owner)
        self._recorder = ResultWriter(
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
            due = [] if (lanes := await self._hungry()) else await self._in_thread(self._due_lanes)
            lanes = lanes or await self._opened.open(due)
            wanted = [
                leases.Quota(lane.relay.id, room) for lane in lanes if (room := await self._opened.room_of(lane)) > 0
            ]
            claimed = await self._claim_apart(wanted) if wanted else 0
        except Exception as error:  # noqa: BLE001 - whatever it was, the loop must go on
            complain(error)
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

    async def _hungry(self) -> list[Lane]:
        """Lanes with a backlog and room; but every now and then nobody, so that the others get their turn."""
        now = clock.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._looked_at = now
            return []
        return (await self._opened.with_backlog())[:LANES_AT_ONCE]

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

    async def _claim_apart(self, wanted: list[leases.Quota]) -> int:
        """For all lanes at once; each apart where that fails, so that one can't end the round of the others."""
        try:
            return await self._claim(wanted)
        except Exception as error:
            if len(wanted) == 1 and is_away(error):
                raise
            claimed, failed = 0, {}
            for one in wanted if len(wanted) > 1 else ():
                try:
                    claimed += await self._claim([one])
                except Exception as flaw:  # noqa: BLE001
                    failed[one.id] = flaw
                    if len(failed) == _ENOUGH and not claimed and is_away(flaw):
                        raise error from None  # it is not the lanes
            for lane_id, reason in failed.items() or [(wanted[0].id, error)]:
                await self._opened.failed(self._lanes[lane_id], reason)
            return claimed

    async def _claim(self, wanted: list[leases.Quota]) -> int:
        deadline = clock.monotonic() + self._lease
        try:
            batch, to_send = await self._in_thread(partial(self._haul, wanted))
        except BaseException:
            self._missing_since = clock.monotonic()
            raise
        by_lane: dict[str, dict[str, list[DueDelivery]]] = {}
        now = self._database.now()
        for row in to_send:
            message = batch.messages.get(row.message_id)
            if message is None:
                self._put_off([row], _NO_MESSAGE, "")
            elif row.id in batch.suppressed:
                self._recorder.put(Report([Outcome(row.id, Change.SUPPRESS, row.lease_token, why=SUPPRESSED_LATER)]))
            elif not self._is_void(row, message, now):
                by_lane.setdefault(row.relay_id, {}).setdefault(row.message_id, []).append(row)
        for message_id, error in batch.unreadable.items():
            complain(error, message=message_id)
        for relay_id, by_message in by_lane.items():
            await self._hand_over(self._lanes[relay_id], by_message, batch, deadline)
        self._note_backlogs(wanted, batch.rows)
        if batch.rows:
            self._claimed_at = clock.monotonic()
        return len(batch.rows)

    def _haul(self, wanted: list[leases.Quota]) -> tuple[ClaimedBatch, list[DueDelivery]]:
        """What was claimed, and those of its rows that are to be sent."""
        batch = take(self._database, wanted, owner=self.owner, lease_seconds=self._lease)
        to_send = batch.rows
        if batch.rows:
            try:
                to_send = self._without_settled(batch.rows)  # first: what it finds holds, whatever fails afterwards
                fill_apart(batch, self._database, room=self._budget.room)
            except BaseException:
                now = self._database.now()
                for row in to_send:
                    self._recorder.put(Report([given_back(row, now)]))
                raise
        return batch, to_send

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

    def _note_backlogs(self, wanted: list[leases.Quota], rows: list[DueDelivery]) -> None:
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
            trouble = self._lanes[row.relay_id].breaker.trouble
            kept_by = smtp_of_trouble(trouble, self._lanes[row.relay_id].relay.host) if trouble is not None else None
            expired = Outcome(row.id, Change.EXPIRE, row.lease_token, why="expired", kept_by=kept_by)
            self._recorder.put(Report([expired]))
            return True
        return False

    async def _hand_over(
        self, lane: Lane, by_message: dict[str, list[DueDelivery]], batch: ClaimedBatch, deadline: float
    ) -> None:
        parcels: list[Parcel] = []
        failure: Exception | None = None
        for message_id, claims in by_message.items():
            try:
                parcels += self._packed(lane, message_id, claims, batch, deadline)
            except Exception as error:  # noqa: BLE001 - it must not keep the others waiting
                complain(error, message=message_id)
                self._put_off(claims, _internal(error), lane.relay.host)
                failure = error
        self._parcels.update(parcels)
        try:
            if parcels:
                lane.put(parcels)
                return
        except Exception as error:  # noqa: BLE001 - as above
            self.give_back([parcel for parcel in parcels if parcel in self._parcels], unexpected(Stage.CONNECT, error))
            failure = error
        if failure is not None:
            await self._opened.failed(lane, failure)  # not one of them: it is more than a message's

    def _packed(
        self, lane: Lane, message_id: str, claims: list[DueDelivery], batch: ClaimedBatch, deadline: float
    ) -> list[Parcel]:
        message, most = batch.messages[message_id], lane.manners.most_recipients
        packed: list[Parcel] = []
        for n in range(0, len(claims), most):
            some = claims[n : n + most]
            packed += pack(message, some, lane.relay, self._journal, deadline=deadline, key=self._context.verp_key)
        content = batch.bodies.get(message_id)
        for parcel in packed:
            if content is not None and self._budget.fits(message.size):
                parcel.content, parcel.held_bytes = content, message.size
                self._budget.take(message.size)
        return packed

    def _put_off(self, claims: Sequence[DueDelivery], text: str, host: str) -> None:
        """What can't be sent through a fault of ours waits, longer each time, and says why."""
        wait = self._hesitation.after(claims[0].message_id)
        due_at = self._database.now() + int(wait * clock.SECOND)
        kept_by = smtp_json(Stage.CONNECT, None, None, text, host)
        self._recorder.put(Report([given_back(claim, due_at, kept_by=kept_by) for claim in claims]))

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
            complain(error, message=parcel.message.id)
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
            self._wait_of(parcel, result),
        )
        message = parcel.message
        # A scheduled message may have been told to go at once.
        waited = max(0.0, (started_at - (message.scheduled_at or message.created_at)) / clock.SECOND)
        outcomes = []
        for claim, verdict in zip(parcel.claims, result.verdicts, strict=True):
            outcomes.append(outcome_of(parcel, claim, verdict, seen))
            meter.count(f"attempts.{verdict.fate}")
            if verdict.fate is Fate.SENT:
                meter.observe_latency(waited + result.duration)
        self._report(parcel, outcomes)

    def _wait_of(self, parcel: Parcel, result: TransactionResult) -> float:
        """A message at which each session ends, while others work, must not be what is tried over and over."""
        if result.relay_trouble is not None and not result.proven:
            return self._hesitation.after(parcel.message.id)
        self._hesitation.forget(parcel.message.id)
        return 0.0

    def give_back(self, parcels: list[Parcel], trouble: RelayTrouble | None = None, *, after: float = 0.0) -> None:
        now = self._database.now() + int(after * clock.SECOND)
        for parcel in parcels:
            kept_by = smtp_of_trouble(trouble, parcel.relay_host) if trouble is not None else None
            self._report(parcel, [given_back(claim, now, kept_by=kept_by) for claim in parcel.claims])

    def set_aside(self, parcel: Parcel, text: str) -> None:
        self._let_go(parcel)
        self._parcels.discard(parcel)
        self._put_off(parcel.claims, text, parcel.relay_host)

    def _report(self, parcel: Parcel, outcomes: list[Outcome]) -> None:
        self._let_go(parcel)
        self._parcels.discard(parcel)
        self._recorder.put(Report(outcomes, parcel.number))

    def wants_more(self) -> None:
        self._more.set()

    async def relay_failed(self, lane: Lane, trouble: RelayTrouble) -> None:
        await self._standing.failed(lane, trouble)

    async def relay_recovered(self, lane: Lane) -> None:
        await self._standing.recovered(lane)

    async def relay_troubled(self, lane: Lane, trouble: RelayTrouble) -> None:
        await self._standing.troubled(lane, trouble)

    async def relay_learnt(self, lane: Lane) -> None:
        await self._standing.learnt(lane)

    async def _write_down(self, write: Callable[[], None]) -> None:
        try:
            await self._in_thread(write)
        except Exception as error:  # noqa: BLE001 - the breaker works without being written down
            complain(error)
        self._context.relays.forget()
        self._context.bell.ring(NOTIFY, EVENTS)

    # Keeping and ending

    def _record(self, connection: Connection, reports: list[Report]) -> None:
        record(
            connection,
            [outcome for report in reports for outcome in report.outcomes],
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
                complain(error)

    async def _return_missing(self) -> None:
        """Make due again what was claimed for us by a transaction whose answer never came."""
        began, in_hand = self._missing_since, {c.id for p in self._parcels for c in p.claims}
        rows = await self._in_thread(partial(overdue, self._database, self.owner))
        now = self._database.now()
        for row in rows:
            if row.id not in in_hand:
                # Behind the results that wait in the recorder: what is among them is no more in the state that this ends.
                self._recorder.put(Report([Outcome(row.id, Change.RETURN, row.lease_token, due_at=now)]))
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
        await asyncio.gather(*(lane.stop(DRAIN_SECONDS) for lane in self._lanes.values()))
        await asyncio.to_thread(self._recorder.stop, 2.0)
        await asyncio.sleep(0)  # lets the last settlements reach the journal
        self._journal.close()
        self._threads.shutdown(wait=False)

    async def _in_thread(self, function: Any) -> Any:
        return await self._loop.run_in_executor(self._threads, function)


def _internal(error: Exception) -> str:
    return f"internal error: {type(error).__name__}; see the log"


def _without_words(report: Report) -> Report:
    """The fates alone, without what the relay said."""
    bare = [msgspec.structs.replace(outcome, tried=None, why="see the log") for outcome in report.outcomes]
    return Report(bare, report.number)
