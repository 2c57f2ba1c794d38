"""A lane: everything of one relay in one process. Its open sessions, its queue of parcels, its breaker.

Senders are tasks that each own one session; there are as many as there is work, up to the relay's share of connections.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Protocol

from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from mailsvc import clock
from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.sender import Owner, Sender
from mailsvc.delivery.session import RelayTrouble, Session, TransactionResult, open_session
from mailsvc.delivery.throttle import Pace, Speed
from mailsvc.domain.attempt import Stage
from mailsvc.domain.backoff import FAILURES_TO_OPEN
from mailsvc.domain.relay import Relay
from mailsvc.telemetry import facts, log, meter

__all__ = ["Lane", "LaneOwner"]

IDLE_SECONDS = 10.0  # how long an unused session is kept
MAX_AGE_SECONDS = 300.0
ONE_AT_A_TIME_SECONDS = 3600.0  # then it is tried again: what looked like it may have been something else
WINDOW = 1024  # parcels claimed ahead at most, and deliveries claimed at once


class LaneOwner(Owner, Protocol):
    """What a lane asks of the worker that it belongs to."""

    def wants_more(self) -> None: ...
    def relay_failed(self, lane: "Lane", trouble: RelayTrouble) -> Awaitable[None]: ...
    def relay_recovered(self, lane: "Lane") -> Awaitable[None]: ...


class Lane:
    """One relay's sessions and queue."""

    def __init__(self, relay: Relay, owner: LaneOwner) -> None:
        self.relay = relay
        self.owner = owner
        self.pace = Pace()
        self.share = relay.max_connections  # of the relay's connections, ours
        self.failures = 0  # sessions that failed in a row
        self.opened_breaker = 0  # how often since it last worked
        self.blocked_until: float | None = None  # monotonic; the breaker is open
        self.blocked_at = 0.0
        self.has_backlog = False  # the last claim found as much as it asked for
        self.parcels: deque[Parcel] = deque()
        self.in_flight: set[Parcel] = set()
        self._one_at_a_time_until = 0.0  # monotonic; it did not cope with an envelope together with the dot before
        self._senders: set[asyncio.Task[None]] = set()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._speed = Speed()  # in parcels
        self._deliveries_each = 1.0  # of the parcels that came last

    # What may be claimed

    def room(self) -> int:
        """How many deliveries this lane can take now."""
        now = clock.monotonic()
        if self.share == 0 or (self.blocked_until is not None and now < self.blocked_until):
            return 0
        connections = 1 if self.blocked_until is not None else self.share
        window = self._window(connections, now)
        free = window - len(self.parcels) - len(self.in_flight)
        if free < window // 4:
            return 0  # a claim costs the same for one row as for many: wait until it is worth one
        deliveries = min(WINDOW, int(free * self._deliveries_each))
        allowance = self.pace.allowance(now)
        return max(0, deliveries if allowance is None else min(deliveries, allowance))

    def _window(self, connections: int, now: float) -> int:
        """About half a second's worth of work, so that sessions never starve and a crash orphans little."""
        self._speed.measure(now)
        return int(min(WINDOW, max(2 * connections, self._speed.per_second / 2)))

    @property
    def connections(self) -> int:
        return len(self._senders)

    @property
    def busy(self) -> int:
        """How many of the connections are sending."""
        return min(len(self.in_flight), len(self._senders))  # a sender may have its next parcel in hand already

    # Work

    def put(self, parcels: list[Parcel]) -> None:
        """Queue parcels and see that somebody sends them."""
        self.parcels.extend(parcels)
        self._speed.begin(clock.monotonic())
        # Many recipients of one message go in one transaction: to claim a few of them at a time would tear it into many.
        self._deliveries_each = sum(len(parcel.claims) for parcel in parcels) / len(parcels)
        self._staff()

    def _staff(self) -> None:
        if self.share == 0 or self._is_blocked():
            self._return_all()  # no sender of ours may have them: whoever claims them next will
            return
        limit = 1 if self.blocked_until is not None else self.share
        waiting = len(self.parcels)
        while waiting and self._idle:
            turn = self._idle.popleft()
            if not turn.done():
                turn.set_result(None)
                waiting -= 1
        while waiting > 0 and len(self._senders) < limit:
            sender = asyncio.create_task(Sender(self, self.owner).run(), name=f"sender {self.relay.name}")
            self._senders.add(sender)
            sender.add_done_callback(self._sender_ended)
            waiting -= 1

    def _sender_ended(self, sender: asyncio.Task[None]) -> None:
        self._senders.discard(sender)
        if not sender.cancelled() and (error := sender.exception()):
            log.error("a sender failed", exc_info=error, extra=facts(relay=self.relay.name))
        if self.parcels:
            self._staff()

    # What senders ask for (Siding)

    @property
    def begins_early(self) -> bool:
        """Whether the next envelope may go out together with the dot before it."""
        return clock.monotonic() >= self._one_at_a_time_until

    def take(self) -> Parcel | None:
        """The next parcel, which is in flight from now on."""
        if not self.parcels:
            return None
        parcel = self.parcels.popleft()
        self.in_flight.add(parcel)
        return parcel

    def put_back(self, parcel: Parcel) -> None:
        """It goes first, over another session."""
        self.in_flight.discard(parcel)
        self.parcels.appendleft(parcel)
        self._speed.begin(clock.monotonic())

    def returned(self, parcel: Parcel) -> None:
        """It is out of our hands."""
        self.in_flight.discard(parcel)
        self._rest()

    def _rest(self) -> None:
        if not self.parcels and not self.in_flight:
            self._speed.end(clock.monotonic())

    async def has_work(self, session: Session | None) -> bool:
        """Wait for a parcel as long as an idle session is worth keeping."""
        while not self.parcels:
            if session is None or not session.usable or self._is_over_share():
                return False
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await turn
            except TimeoutError:
                return False
        return not self._is_over_share() and not self._is_blocked()

    def _is_over_share(self) -> bool:
        return len(self._senders) > self.share

    def block(self, seconds: float) -> None:
        """Open the breaker for this long; after it, one session tries."""
        self.blocked_at = clock.monotonic()
        self.blocked_until = self.blocked_at + seconds

    def unblock(self) -> None:
        """Close the breaker: somebody else, or a person, found the relay well."""
        self.blocked_until, self.failures, self.opened_breaker = None, 0, 0

    def _is_blocked(self) -> bool:
        return self.blocked_until is not None and clock.monotonic() < self.blocked_until

    def may_keep(self, session: Session) -> bool:
        """Whether another parcel may go out over it: it is not too old, its relay not changed, its place not needed."""
        return (
            session.relay is self.relay
            and len(self._senders) <= self.share
            and clock.monotonic() - session.opened_at < MAX_AGE_SECONDS
            and not self._is_blocked()
        )

    async def open(self) -> Session | None:
        """A new session; dialled again within seconds, then the breaker decides when."""
        dialling = AsyncRetrying(
            retry=retry_if_exception(self._is_worth_redialling),
            stop=stop_after_attempt(FAILURES_TO_OPEN),
            wait=wait_exponential(multiplier=0.2, max=2),
            reraise=True,
        )
        try:
            session: Session = await dialling(self._dial)
        except (RelayTrouble, RetryError):
            return None
        if self.failures or self.blocked_until is not None:
            await self._worked()
        return session

    async def _dial(self) -> Session:
        if self._is_blocked():  # since this sender last failed
            raise RelayTrouble(Stage.CONNECT, "the relay is left alone for a while")
        meter.count("sessions")
        try:
            return await open_session(self.relay)
        except RelayTrouble as trouble:
            await self.trouble(trouble)
            raise

    def _is_worth_redialling(self, error: BaseException) -> bool:
        return isinstance(error, RelayTrouble) and not self._is_blocked()

    async def _worked(self) -> None:
        self.failures, self.opened_breaker = 0, 0
        was_open, self.blocked_until = self.blocked_until is not None, None
        if was_open:
            await self.owner.relay_recovered(self)
            self._staff()

    async def trouble(self, trouble: RelayTrouble) -> None:
        """A session failed, or was closed by the relay: count it, and leave the relay alone when it goes on."""
        meter.count("session_failures")
        self.failures += 1
        if (
            trouble.is_auth or self.failures >= FAILURES_TO_OPEN or self.blocked_until is not None
        ) and not self._is_blocked():
            await self.owner.relay_failed(self, trouble)
            self._return_all()

    def _return_all(self) -> None:
        waiting = list(self.parcels)
        self.parcels.clear()
        self._rest()
        self.owner.give_back(waiting)

    def heard(self, result: TransactionResult) -> None:
        """A transaction came to this."""
        if result.too_early and self.begins_early:
            self._one_at_a_time_until = clock.monotonic() + ONE_AT_A_TIME_SECONDS
            log.info("relay wants one transaction at a time", extra=facts(relay=self.relay.name))
        if not result.stale:
            self._speed.did(1)
            if result.relay_trouble is None:
                self.failures = 0
        if len(self.parcels) <= self.share and self.room():
            self.owner.wants_more()

    # The end

    async def stop(self, grace: float) -> None:
        """Give back what was not begun, let what is under way finish for ``grace`` seconds, then cut it off."""
        self._return_all()
        self.share = 0
        self._rouse()
        if self._senders:
            await asyncio.wait(self._senders, timeout=grace)
        for sender in list(self._senders):
            sender.cancel()
        if self._senders:
            await asyncio.wait(self._senders, timeout=2)
        self._return_all()

    def adopt(self, relay: Relay, share: int) -> None:
        """Take over changed settings; open sessions made with the old ones end after their parcel."""
        if relay != self.relay:  # the same settings, read anew, must not end sessions
            self.relay, self._one_at_a_time_until = relay, 0.0
        grew = share > self.share
        shrank, self.share = share < self.share, share
        if self.parcels and (grew or share == 0):
            self._staff()
        if shrank:
            self._rouse()

    def _rouse(self) -> None:
        """Let idle senders see that something has changed."""
        for turn in self._idle:
            if not turn.done():
                turn.set_result(None)
