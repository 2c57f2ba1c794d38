"""The reporter: has the results of parcels recorded; the journal forgets a transaction only after that."""

import asyncio
import random
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection

from mailsvc import clock
from mailsvc.delivery.breaker import ReturnBackoff
from mailsvc.delivery.inhand import InHand
from mailsvc.delivery.journal import Journal
from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.verdicts import Circumstances, given_back, outcome_of, smtp_of_trouble, transaction_of
from mailsvc.domain.attempt import Fate, Stage
from mailsvc.domain.bounce import SoftBounceLimit
from mailsvc.outcomes.outcome import Outcome, smtp_json
from mailsvc.outcomes.record import record
from mailsvc.runtime.resultwriter import ResultWriter
from mailsvc.smtp.opening import RelayTrouble, Session, TransactionResult
from mailsvc.store.database import Database
from mailsvc.store.leases import DueDelivery
from mailsvc.telemetry import Meter

__all__ = ["Reporter"]

LINGER = 0.05  # seconds between commits of results


class Report(msgspec.Struct):
    """Outcomes of one transaction, and the journal's number for it where a dot went out."""

    outcomes: list[Outcome]
    number: int | None = None


class Reporter:
    """Turns results into outcomes and has them recorded.

    Args:
        ring: called when outcomes are durable.
        soft_bounces: see ``outcomes.record``.
    """

    def __init__(
        self,
        database: Database,
        in_hand: InHand,
        journal: Journal,
        ring: Callable[[], None],
        *,
        meter: Meter,
        soft_bounces: SoftBounceLimit | None = None,
    ) -> None:
        self._database, self._in_hand, self._journal, self._ring = database, in_hand, journal, ring
        self._meter, self._soft_bounces = meter, soft_bounces
        self._return_backoff = ReturnBackoff()
        self._loop = asyncio.get_running_loop()
        self._writer: ResultWriter[Report] = ResultWriter(
            database, write=self._record, settled=self._settled, linger=LINGER, plainly=_without_words
        )

    @property
    def unsettled(self) -> int:
        """How many reports are not durable yet."""
        return self._writer.unsettled

    def put(self, outcomes: list[Outcome]) -> None:
        """Record outcomes that belong to no parcel."""
        self._writer.put(Report(outcomes))

    def finished(self, parcel: Parcel, session: Session, result: TransactionResult, started_at: int) -> None:
        """Count a finished transaction."""
        seen = Circumstances(
            started_at=started_at,
            duration_ms=result.duration * 1000,
            relay_id=parcel.relay_id,
            host=session.host,
            tls=session.tls,
            transaction=transaction_of(parcel.claims[0].id, parcel.claims[0].lease_token),
            recipients=len(parcel.claims),
            on_uncertain=parcel.message.on_uncertain,
            now=self._database.now,
            chance=random.random(),  # noqa: S311 - jitter
            wait=self._wait_of(parcel, result),
        )
        pairs = zip(parcel.claims, result.verdicts, strict=True)
        self._report(parcel, [outcome_of(claim, verdict, seen) for claim, verdict in pairs])
        self._count(parcel, result, started_at)

    def give_back(self, parcels: list[Parcel], trouble: RelayTrouble | None = None, *, after: float = 0.0) -> None:
        """Return unsent parcels: due again in ``after`` seconds, showing the trouble that kept them."""
        now = self._database.now() + int(after * clock.SECOND)
        for parcel in parcels:
            kept_by = smtp_of_trouble(trouble, parcel.relay_host) if trouble is not None else None
            self._report(parcel, [given_back(claim, now, kept_by=kept_by) for claim in parcel.claims])

    def set_aside(self, parcel: Parcel, text: str) -> None:
        """Put off a parcel that can't be sent through a fault of ours."""
        self._in_hand.remove(parcel)
        self.put_off(parcel.claims, text, parcel.relay_host)

    def put_off(self, claims: Sequence[DueDelivery], text: str, host: str) -> None:
        """Put off claims that can't be sent through a fault of ours: longer each time, with the reason."""
        wait = self._return_backoff.after(claims[0].message_id)
        due_at = self._database.now() + int(wait * clock.SECOND)
        kept_by = smtp_json(Stage.CONNECT, None, None, text, host)
        self.put([given_back(claim, due_at, kept_by=kept_by) for claim in claims])

    async def stop(self, grace: float) -> None:
        """Record what is left, for at most ``grace`` seconds."""
        await asyncio.to_thread(self._writer.stop, grace)
        await asyncio.sleep(0)  # lets the last settlements reach the journal

    def _report(self, parcel: Parcel, outcomes: list[Outcome]) -> None:
        self._in_hand.remove(parcel)
        self._writer.put(Report(outcomes, parcel.number))

    def _wait_of(self, parcel: Parcel, result: TransactionResult) -> float:
        """The wait of a message on which sessions break, so that it is not sent over and over."""
        if result.relay_trouble is not None and not result.proven:
            return self._return_backoff.after(parcel.message.id)
        self._return_backoff.forget(parcel.message.id)
        return 0.0

    def _count(self, parcel: Parcel, result: TransactionResult, started_at: int) -> None:
        message = parcel.message
        # A scheduled message may have been released early.
        waited = max(0.0, (started_at - (message.scheduled_at or message.created_at)) / clock.SECOND)
        for verdict in result.verdicts:
            self._meter.count(f"attempts.{verdict.fate}")
            if verdict.fate is Fate.SENT:
                self._meter.observe_latency(waited + result.duration)

    def _record(self, connection: Connection, reports: list[Report]) -> None:
        outcomes = [outcome for report in reports for outcome in report.outcomes]
        record(connection, outcomes, now=self._database.now(), soft_bounces=self._soft_bounces)

    def _settled(self, reports: list[Report]) -> None:
        """Called by the writer's thread after its commit."""
        self._ring()
        numbers = [report.number for report in reports if report.number is not None]
        self._loop.call_soon_threadsafe(self._forget, numbers)

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            self._journal.settled(number)


def _without_words(report: Report) -> Report:
    """The report without the relay's words."""
    bare = [msgspec.structs.replace(outcome, tried=None, why="see the log") for outcome in report.outcomes]
    return Report(bare, report.number)
