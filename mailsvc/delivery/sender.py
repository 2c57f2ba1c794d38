"""A sender: one task with one session at a time, over which its lane's parcels go out one after another."""

import asyncio
from typing import Protocol

from mailsvc import clock
from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.session import Session, Submission, TransactionResult
from mailsvc.domain.attempt import Fate, Stage, Verdict
from mailsvc.domain.relay import Relay
from mailsvc.telemetry import facts, log

__all__ = ["Owner", "Sender", "Siding"]

AFTER_FAILURE_SECONDS = 5.0


class Owner(Protocol):
    """The worker, to whom parcels return."""

    async def load(self, parcel: Parcel) -> bool: ...
    def finished(self, parcel: Parcel, session: Session, result: TransactionResult, started_at: int) -> None: ...
    def give_back(self, parcels: list[Parcel], *, after: float = 0.0) -> None: ...


class Siding(Protocol):
    """Where parcels and sessions come from: the lane."""

    relay: Relay

    @property
    def begins_early(self) -> bool: ...
    async def has_work(self, session: Session | None) -> bool: ...
    async def open(self) -> Session | None: ...
    def may_keep(self, session: Session) -> bool: ...
    def take(self) -> Parcel | None: ...
    def put_back(self, parcel: Parcel) -> None: ...
    def returned(self, parcel: Parcel) -> None: ...
    async def heard(self, parcel: Parcel, result: TransactionResult) -> None: ...


class Sender:
    """Sends until there is nothing to do, or no session to be had."""

    def __init__(self, siding: Siding, owner: Owner) -> None:
        self._siding, self._owner = siding, owner
        self._session: Session | None = None
        self._next: Parcel | None = None  # promised to the session: its envelope may have gone out already
        self._submission: Submission | None = None  # of the next

    async def run(self) -> None:
        """Send until there is nothing left to send, or no session to be had."""
        try:
            while self._keeps_promise() or await self._siding.has_work(self._session):
                session = await self._usable_session()
                if session is None:
                    return
                parcel = self._next or self._siding.take()
                if parcel is not None:
                    await self._send(session, parcel)
        finally:
            self._take_back()
            if self._session is not None:
                await self._session.quit()

    def _keeps_promise(self) -> bool:
        """Whether something is promised to the session and may still go out: its relay may be paused by now."""
        if self._next is None or self._session is None:
            return False
        if not self._siding.may_keep(self._session):
            self._session.abort()  # its envelope may be there already: without content it is nothing
            self._take_back()
        return self._next is not None

    def _take_back(self) -> None:
        if self._next is not None:
            self._siding.put_back(self._next)
            self._next = self._submission = None

    async def _usable_session(self) -> Session | None:
        session = self._session
        if session is not None and session.usable and self._siding.may_keep(session):
            return session
        if session is not None:
            await session.quit()
        self._session = await self._siding.open()
        return self._session

    async def _send(self, session: Session, parcel: Parcel) -> None:
        submission, self._next, self._submission = self._submission, None, None
        try:
            if not await self._owner.load(parcel):
                self._owner.give_back([parcel])
                return
            parcel.host = session.host
            started_at = clock.now()
            result = await session.submit(
                submission or parcel.submission(session.relay), parcel, following=self._promise_next
            )
        except asyncio.CancelledError:
            if parcel.number is None:
                self._owner.give_back([parcel])
            raise
        except Exception as error:  # noqa: BLE001 - nobody else would ever end this parcel
            self._failed(parcel, session, error)
            return
        finally:
            self._siding.returned(parcel)
            if not session.usable:
                self._take_back()
        if result.stale:
            self._siding.put_back(parcel)
        else:
            self._owner.finished(parcel, session, result, started_at)
        await self._siding.heard(parcel, result)

    def _promise_next(self) -> Submission | None:
        """What goes out next over this session, if that is certain now."""
        session = self._session
        if session is not None and self._siding.begins_early and self._siding.may_keep(session):
            self._next = self._siding.take()
            if self._next is not None and self._next.content is None:
                self._take_back()  # to be read first: nothing binds it to this session
            elif self._next is not None:
                self._next.host = session.host
                self._submission = self._next.submission(session.relay)
        return self._submission

    def _failed(self, parcel: Parcel, session: Session, error: Exception) -> None:
        """Something that should not happen, such as a journal on a full disk: the session is closed by now."""
        log.error("a transaction failed", exc_info=error, extra=facts(relay=self._siding.relay.name))
        if parcel.number is None:
            self._owner.give_back([parcel], after=AFTER_FAILURE_SECONDS)
            return
        lost = Verdict(Fate.UNCERTAIN, Stage.EOM, None, f"unexpected after the final dot: {type(error).__name__}")
        result = TransactionResult((lost,) * len(parcel.claims), None, stale=False, duration=0.0)
        self._owner.finished(parcel, session, result, clock.now())
