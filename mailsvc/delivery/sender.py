"""A sender: a task with one session at a time, which sends its lane's parcels one after another."""

import asyncio
from typing import Protocol

from mailsvc import clock
from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.parcelqueue import ParcelQueue
from mailsvc.delivery.relay_profile import RelayProfile
from mailsvc.domain.attempt import Fate, Stage, Verdict
from mailsvc.domain.relay import Relay
from mailsvc.smtp.opening import RelayTrouble, Session, Submission, TransactionResult
from mailsvc.telemetry import facts, log

__all__ = ["Contents", "Reports", "Sender", "Source"]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds before the next session if the last one failed


class Contents(Protocol):
    """Reads the content of parcels."""

    async def load(self, parcel: Parcel) -> bool: ...


class Reports(Protocol):
    """Receives the results of parcels: the reporter."""

    def finished(self, parcel: Parcel, session: Session, result: TransactionResult, started_at: int) -> None: ...
    def give_back(self, parcels: list[Parcel], trouble: RelayTrouble | None = None, *, after: float = 0.0) -> None: ...
    def set_aside(self, parcel: Parcel, error: str) -> None: ...


class Source(Protocol):
    """Provides parcels and sessions: the lane."""

    relay: Relay

    profile: RelayProfile
    queue: ParcelQueue

    async def has_work(self, session: Session | None) -> bool: ...
    async def open(self) -> Session | None: ...
    def may_keep(self, session: Session) -> bool: ...
    def learn(self, result: TransactionResult) -> bool: ...
    async def note_result(self, result: TransactionResult) -> None: ...


class Sender:
    """Sends until no parcel is left or no session can be opened."""

    def __init__(self, source: Source, reports: Reports, contents: Contents) -> None:
        self._source, self._reports, self._contents = source, reports, contents
        self._session: Session | None = None
        self._next: Parcel | None = None  # promised to the session: its envelope may be sent already
        self._submission: Submission | None = None  # of the next
        self._parcel: Parcel | None = None  # in progress
        self._in_vain = 0  # failed sessions in a row

    @property
    def is_sending(self) -> bool:
        """Whether a transaction is under way."""
        return self._parcel is not None

    async def run(self) -> None:
        """Send until no parcel is left or no session can be opened."""
        try:
            while session := self._promised() or await self._for_new_work():
                parcel = self._next or self._source.queue.take()
                if parcel is not None:
                    await self._send(session, parcel)
        finally:
            self._take_back()
            if self._session is not None:
                await self._session.quit()

    def _promised(self) -> Session | None:
        """The session that already got the next envelope, if it may still send; the relay may be paused by now."""
        session = self._session
        if self._next is None or session is None:
            return None
        if self._source.may_keep(session):
            return session
        session.abort()  # its envelope may be sent already; without content it has no effect
        self._take_back()
        return None

    async def _for_new_work(self) -> Session | None:
        """Wait for a parcel. Returns a session for it; None if there is no parcel or no session."""
        session = self._session
        if not await self._source.has_work(session):
            return None
        if session is not None:
            if session.usable and self._source.may_keep(session):
                return session
            await session.quit()
        if self._in_vain:
            await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._in_vain, 20)))
        opened = self._session = await self._source.open()
        if opened is None or self._source.may_keep(opened):
            return opened
        return await self._for_new_work()  # the relay was paused or changed during the connect

    def _take_back(self) -> None:
        if self._next is not None:
            self._source.queue.put_back(self._next)
            self._next = self._submission = None

    async def _send(self, session: Session, parcel: Parcel) -> None:
        submission, self._next, self._submission = self._submission, None, None
        try:
            if parcel.content is None and not await self._contents.load(parcel):
                self._reports.set_aside(parcel, "its content could not be read")
                return
            parcel.host, self._parcel = session.host, parcel
            started_at = clock.now()
            result = await session.submit(
                submission or parcel.submission(session.relay), parcel, following=self._promise_next
            )
        except asyncio.CancelledError:
            if parcel.number is None:
                self._reports.give_back([parcel])
            raise
        except Exception as error:  # noqa: BLE001 - otherwise nothing would end this parcel
            self._failed(parcel, session, error)
            return
        finally:
            self._parcel = None
            self._source.queue.returned(parcel)
            if not session.usable:
                self._take_back()
        self._in_vain = 0 if result.judged or result.proven or result.stale else self._in_vain + 1
        goes_again = self._source.learn(result) or result.stale
        if goes_again:
            self._source.queue.put_back(parcel)
        else:
            self._reports.finished(parcel, session, result, started_at)
        await self._source.note_result(result)

    def _promise_next(self) -> Submission | None:
        """The next submission over this session, if it is certain now."""
        session = self._session
        if session is None or not self._source.profile.begins_early or not self._source.may_keep(session):
            return None
        parcel = self._next = self._source.queue.take()
        if parcel is None:
            return None
        if parcel.content is None:
            self._take_back()  # to be read again: it is not bound to this session
            return None
        self._submission = parcel.submission(session.relay)
        return self._submission

    def _failed(self, parcel: Parcel, session: Session, error: Exception) -> None:
        """Report an unexpected error, such as a journal on a full disk; the session is closed by now."""
        log.error("a transaction failed", exc_info=error, extra=facts(relay=self._source.relay.name))
        if parcel.number is None:
            self._reports.set_aside(parcel, f"internal error: {type(error).__name__}; see the log")
            return
        lost = Verdict(Fate.UNCERTAIN, Stage.EOM, None, f"unexpected after the final dot: {type(error).__name__}")
        result = TransactionResult((lost,) * len(parcel.claims), None, stale=False, duration=0.0)
        self._reports.finished(parcel, session, result, clock.now())
