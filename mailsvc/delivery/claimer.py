"""The claimer: leases due deliveries, as many as the relays' lanes have room for, and passes them on as parcels."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mailsvc import clock
from mailsvc.apps.relay_book import RelayBook
from mailsvc.delivery.claim import ClaimedBatch, MessageFacts, fill_apart, overdue, take
from mailsvc.delivery.inhand import InHand
from mailsvc.delivery.journal import Journal
from mailsvc.delivery.lane import Lane
from mailsvc.delivery.lanes import Lanes
from mailsvc.delivery.parcel import Parcel, pack
from mailsvc.delivery.recover import split_off_settled
from mailsvc.delivery.reporter import Reporter
from mailsvc.delivery.verdicts import given_back, given_up, smtp_of_trouble, to_verify
from mailsvc.domain.attempt import Stage
from mailsvc.domain.lifecycle import Change
from mailsvc.outcomes.outcome import Outcome
from mailsvc.runtime.error_log import log_error
from mailsvc.smtp.trouble import unexpected
from mailsvc.store import leases
from mailsvc.store.database import Database
from mailsvc.store.leases import DELIVERIES, DueDelivery, Quota

__all__ = ["Claimer", "Terms"]

MOST_UNSETTLED = 5000
UNSETTLED_SECONDS = 0.05
SUPPRESSED_LATER = "the address was put on the suppression list after the message was accepted"
_NO_MESSAGE = "the message can't be read; see the log"


@dataclass(frozen=True, slots=True)
class Terms:
    """How deliveries are claimed and packed: database, owner, length of the lease, journal, key."""

    database: Database
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]
    owner: str
    lease_seconds: int
    journal: Journal
    journal_directory: Path
    verp_key: bytes


class Claimer:
    """The deliveries' side of the claim loop (see ``claimloop.Lanes``)."""

    def __init__(self, relays: RelayBook, lanes: Lanes, reporter: Reporter, in_hand: InHand, terms: Terms) -> None:
        self._relays, self._lanes, self._reporter, self._in_hand = relays, lanes, reporter, in_hand
        self._terms, self._database, self._in_thread = terms, terms.database, terms.in_thread
        self.claimed_at = float("-inf")  # on the monotonic clock: the last time that deliveries were due

    def hold_off(self) -> float:
        """While many results wait for the database, nothing is claimed."""
        return UNSETTLED_SECONDS if self._reporter.unsettled > MOST_UNSETTLED else 0.0

    def due_lanes(self, after: str, limit: int) -> list[tuple[str, int]]:
        with self._database.read() as connection:
            due = leases.due_lanes(connection, DELIVERIES, after=after, limit=limit)
        self._relays.get_many([relay_id for relay_id, _ in due])  # here, because this thread may block
        return due

    async def usable(self, due: list[tuple[str, int]]) -> list[str]:
        self._lanes.show_connections()
        return await self._lanes.usable(due)

    def room(self, lane_id: str) -> int:
        return self._lanes.by_id[lane_id].room()

    def wait(self, lane_id: str) -> float:
        """The relay's rate sets the time; anything else (such as a pause) is seen by polling."""
        lane = self._lanes.by_id.get(lane_id)
        return lane.queue.pace.wait(clock.monotonic()) if lane is not None else 0.0

    async def failed(self, lane_id: str, error: Exception) -> None:
        await self._lanes.failed(self._lanes.by_id[lane_id], error)

    async def claim(self, wanted: Sequence[Quota]) -> Mapping[str, int]:
        deadline = clock.monotonic() + self._terms.lease_seconds
        batch, to_send = await self._in_thread(partial(self._take, wanted))
        by_relay: dict[str, dict[str, list[DueDelivery]]] = {}
        now = self._database.now()
        for row in to_send:
            message = batch.messages.get(row.message_id)
            if message is None:
                self._reporter.put_off([row], _NO_MESSAGE, "")
            elif ended := self._ended_unsent(row, message, batch, now):
                self._reporter.put([ended])
            else:
                by_relay.setdefault(row.relay_id, {}).setdefault(row.message_id, []).append(row)
        for message_id, error in batch.unreadable.items():
            log_error(error, message=message_id)
        for relay_id, by_message in by_relay.items():
            await self._hand_over(self._lanes.by_id[relay_id], by_message, batch, deadline)
        return self._counted(wanted, batch)

    async def return_missing(self) -> None:
        in_hand = {claim.id for parcel in self._in_hand for claim in parcel.claims}
        rows = await self._in_thread(partial(overdue, self._database, self._terms.owner))
        now = self._database.now()
        for row in rows:
            if row.id not in in_hand:
                # Queued behind the results in the recorder: a delivery with a result there is no longer in the state
                # that this ends.
                self._reporter.put([Outcome(row.id, Change.RETURN, row.lease_token, due_at=now)])

    def _take(self, wanted: Sequence[Quota]) -> tuple[ClaimedBatch, list[DueDelivery]]:
        """Claim. Returns the batch, and those of its rows that must be sent."""
        terms = self._terms
        batch = take(self._database, wanted, owner=terms.owner, lease_seconds=terms.lease_seconds)
        to_send = batch.rows
        if batch.rows:
            try:  # first the deliveries that were settled elsewhere: this holds even if the rest fails
                to_send, settled = split_off_settled(
                    batch.rows, terms.journal_directory, terms.owner, self._database.now()
                )
                for outcome in settled:
                    self._reporter.put([outcome])
                fill_apart(batch, self._database, room=self._in_hand.room)
            except BaseException:
                now = self._database.now()
                for row in to_send:
                    self._reporter.put([given_back(row, now)])
                raise
        return batch, to_send

    def _ended_unsent(self, row: DueDelivery, message: MessageFacts, batch: ClaimedBatch, now: int) -> Outcome | None:
        """The outcome of a claim that needs no transaction; None if it must be sent."""
        if row.id in batch.suppressed:
            return Outcome(row.id, Change.SUPPRESS, row.lease_token, why=SUPPRESSED_LATER)
        if row.uncertain and message.on_uncertain == "hold":
            return given_up(row)
        if row.uncertain and message.on_uncertain == "verify":
            return to_verify(row, row.relay_id, self._lanes.by_id[row.relay_id].relay.host, now=now)
        if row.expires_at is not None and row.expires_at <= now:
            lane = self._lanes.by_id[row.relay_id]
            trouble = lane.breaker.trouble
            kept_by = smtp_of_trouble(trouble, lane.relay.host) if trouble is not None else None
            return Outcome(row.id, Change.EXPIRE, row.lease_token, why="expired", kept_by=kept_by)
        return None

    def _counted(self, wanted: Sequence[Quota], batch: ClaimedBatch) -> Counter[str]:
        counts = Counter(row.relay_id for row in batch.rows)
        now = clock.monotonic()
        for quota in wanted:
            self._lanes.by_id[quota.id].queue.pace.take(counts[quota.id], now)
        if batch.rows:
            self.claimed_at = now
        return counts

    async def _hand_over(
        self, lane: Lane, by_message: dict[str, list[DueDelivery]], batch: ClaimedBatch, deadline: float
    ) -> None:
        parcels: list[Parcel] = []
        failure: Exception | None = None
        for message_id, claims in by_message.items():
            try:
                parcels += self._packed(lane, message_id, claims, batch, deadline)
            except Exception as error:  # noqa: BLE001 - one error must not delay the others
                log_error(error, message=message_id)
                text = f"internal error: {type(error).__name__}; see the log"
                self._reporter.put_off(claims, text, lane.relay.host)
                failure = error
        self._in_hand.add(parcels)
        try:
            if parcels:
                lane.put(parcels)
                return
        except Exception as error:  # noqa: BLE001 - as above
            left = [parcel for parcel in parcels if parcel in self._in_hand]
            self._reporter.give_back(left, unexpected(Stage.CONNECT, error))
            failure = error
        if failure is not None:
            await self._lanes.failed(lane, failure)  # not by row: the error concerns more than one message

    def _packed(
        self, lane: Lane, message_id: str, claims: list[DueDelivery], batch: ClaimedBatch, deadline: float
    ) -> list[Parcel]:
        message, most = batch.messages[message_id], lane.profile.most_recipients
        terms = self._terms
        packed: list[Parcel] = []
        for n in range(0, len(claims), most):
            some = claims[n : n + most]
            packed += pack(message, some, lane.relay, terms.journal, deadline=deadline, key=terms.verp_key)
        for parcel in packed:
            self._in_hand.hold(parcel, batch.bodies.get(message_id))
        return packed
