"""A lane: everything of one relay in one process. Its open sessions, its queue of parcels, its breaker.

Senders are tasks that each own one session; there are as many as there is work, up to the relay's share of connections.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Protocol

from mailsvc import clock
from mailsvc.delivery.breaker import Breaker
from mailsvc.delivery.dialling import dialled
from mailsvc.delivery.learnt import Learnt
from mailsvc.delivery.manners import Manners
from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.sender import Owner, Sender
from mailsvc.delivery.throttle import Pace, Speed
from mailsvc.domain.attempt import Fate, Stage
from mailsvc.domain.relay import Relay
from mailsvc.mime.smtp_status import is_our_rate
from mailsvc.smtp.opening import RelayTrouble, Session, TransactionResult
from mailsvc.smtp.trouble import unexpected
from mailsvc.telemetry import facts, log, meter

__all__ = ["Lane", "LaneOwner"]

IDLE_SECONDS = 10.0  # how long an unused session is kept
MAX_AGE_SECONDS = 300.0
WINDOW = 1024  # parcels claimed ahead at most, and deliveries claimed at once


class LaneOwner(Owner, Protocol):
    """What a lane asks of the worker that it belongs to."""

    def wants_more(self) -> None: ...
    def relay_failed(self, lane: "Lane", trouble: RelayTrouble) -> Awaitable[None]: ...
    def relay_recovered(self, lane: "Lane") -> Awaitable[None]: ...
    def relay_troubled(self, lane: "Lane", trouble: RelayTrouble) -> Awaitable[None]: ...
    def relay_learnt(self, lane: "Lane") -> Awaitable[None]: ...


class Lane:
    """One relay's sessions and queue."""

    def __init__(self, relay: Relay, owner: LaneOwner, learnt: Learnt | None = None) -> None:
        self.relay = relay
        self.owner = owner
        self.manners = Manners(relay, learnt or Learnt())
        self.pace = Pace()
        self.breaker = Breaker()
        self.share = relay.max_connections  # of the relay's connections, ours
        self.has_backlog = False  # the last claim found as much as it asked for
        self.parcels: deque[Parcel] = deque()
        self.in_flight: set[Parcel] = set()
        self._senders: dict[asyncio.Task[None], Sender] = {}
        self._kept: set[asyncio.Task[None]] = set()  # asyncio itself keeps no task
        self._idle: deque[asyncio.Future[None]] = deque()
        self._speed = Speed()  # in parcels
        self._deliveries_each = 1.0  # of the parcels that came last

    # What may be claimed

    def room(self) -> int:
        """How many deliveries this lane can take now."""
        now = clock.monotonic()
        if self.share == 0 or self.breaker.is_open(now):
            return 0
        window = self._window(now)
        free = window - len(self.parcels) - len(self.in_flight)
        if free < window // 4 or free <= 0:
            return 0  # a claim costs the same for one row as for many: wait until it is worth one
        deliveries = min(WINDOW, int(free * self._deliveries_each))
        allowance = self.pace.allowance(now)
        return max(0, deliveries if allowance is None else min(deliveries, allowance))

    def _window(self, now: float) -> int:
        """About half a second's worth of work, so that sessions never starve and a crash orphans little."""
        self._speed.measure(now)
        if not self.breaker.is_closed:
            return 2
        return int(min(WINDOW, max(2 * self.share, self._speed.per_second / 2)))

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

    @property
    def _most(self) -> int:
        """How many sessions there may be now: after a pause one finds out."""
        return self.share if self.breaker.is_closed else min(1, self.share)

    def _staff(self) -> None:
        if self.share == 0 or self.is_blocked():
            self._return_all()  # no sender of ours may have them: whoever claims them next will
            return
        waiting = len(self.parcels)
        while waiting and self._idle:
            turn = self._idle.popleft()
            if not turn.done():
                turn.set_result(None)
                waiting -= 1
        while waiting > 0 and len(self._senders) < self._most:
            sender = Sender(self, self.owner)
            task = asyncio.create_task(sender.run(), name=f"sender {self.relay.name}")
            self._senders[task] = sender
            task.add_done_callback(self._sender_ended)
            waiting -= 1

    def _sender_ended(self, task: asyncio.Task[None]) -> None:
        self._senders.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            # Begun anew at once, it would fail at once. The breaker's waits are for faults of ours, too.
            log.error("a sender failed", exc_info=error, extra=facts(relay=self.relay.name))
            failing = asyncio.create_task(self.trouble(unexpected(Stage.CONNECT, error)))
            self._kept.add(failing)
            failing.add_done_callback(self._kept.discard)
        elif self.parcels:
            self._staff()

    # What senders ask for (Siding)

    @property
    def begins_early(self) -> bool:
        """Whether the next envelope may go out together with the dot before it."""
        return self.manners.begins_early

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
            if session is None or not session.usable or self._is_over_share() or self.is_blocked():
                return False
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await turn
            except TimeoutError:
                return False
        return not self._is_over_share() and not self.is_blocked()

    def _is_over_share(self) -> bool:
        return len(self._senders) > self._most

    def block(self, seconds: float) -> None:
        """Open the breaker for this long; after it, one session tries."""
        self.breaker.open(seconds, clock.monotonic())
        self._rouse()

    def is_blocked(self) -> bool:
        """Whether nobody may use the relay now."""
        return self.breaker.is_open(clock.monotonic())

    def may_keep(self, session: Session) -> bool:
        """Whether another parcel may go out over it: it is not too old, its relay not changed, its place not needed."""
        return (
            session.relay is self.relay
            and not self._is_over_share()
            and clock.monotonic() - session.opened_at < MAX_AGE_SECONDS
            and not self.is_blocked()
        )

    async def open(self) -> Session | None:
        """A new session; dialled again within seconds, then the breaker decides when."""
        session = await dialled(self)
        if session is not None and not self.manners.sends_groups:
            session.go_one_by_one()
        return session

    async def _worked(self) -> None:
        if self.breaker.worked(clock.monotonic()):
            await self.owner.relay_recovered(self)
            self._staff()

    async def trouble(self, trouble: RelayTrouble) -> None:
        """A session failed before it was of use to a message: count it, and leave the relay alone when it goes on."""
        meter.count("lane_failures" if trouble.is_ours else "session_failures")
        if self.breaker.failed(trouble, clock.monotonic()):
            await self.owner.relay_failed(self, trouble)
            self._return_all()
        else:
            await self.owner.relay_troubled(self, trouble)

    def _return_all(self) -> None:
        waiting = list(self.parcels)
        self.parcels.clear()
        self._rest()
        if waiting:
            self.owner.give_back(waiting, self.breaker.trouble)

    def learn(self, result: TransactionResult) -> bool:
        """Take note of what the relay can't do; True where the parcel is none the worse, and goes again."""
        before = self.manners.learnt
        goes_again = self.manners.learn(result)
        if self.manners.learnt != before:
            noting = asyncio.ensure_future(self.owner.relay_learnt(self))
            self._kept.add(noting)
            noting.add_done_callback(self._kept.discard)
        return goes_again

    async def heard(self, result: TransactionResult) -> None:
        """A transaction came to this."""
        if not result.stale:
            self._speed.did(1)
            self._give_way(result)
        if result.judged:
            await self._worked()
        elif result.relay_trouble is not None and not result.proven and not self.manners.is_finding_out:
            await self.trouble(result.relay_trouble)
        if len(self.parcels) <= self.share and self.room():
            self.owner.wants_more()

    def _give_way(self, result: TransactionResult) -> None:
        """Slow down where the relay says that the account sends too much: what is deferred comes back, and more of it."""
        if any(v.fate is Fate.DEFERRED and v.reply and is_our_rate(v.stage, v.reply) for v in result.verdicts):
            now = clock.monotonic()
            self.pace.slow_down(now, seen=self._speed.per_second * self._deliveries_each)
            log.warning("a relay says that it gets too much", extra=facts(relay=self.relay.name))

    # The end

    async def stop(self, grace: float) -> None:
        """Give back what was not begun, let what is under way finish for ``grace`` seconds, then cut it off."""
        self._return_all()
        self.share = 0
        self._rouse()
        for task, sender in list(self._senders.items()):
            if not sender.is_sending:
                task.cancel()  # dialling, or about to: nobody is waiting for it
        if self._senders:
            await asyncio.wait(self._senders, timeout=grace)
        for task in list(self._senders):
            task.cancel()
        if self._senders:
            await asyncio.wait(self._senders, timeout=2)
        self._return_all()

    def adopt(self, relay: Relay, share: int) -> None:
        """Take over changed settings; open sessions made with the old ones end after their parcel."""
        if relay != self.relay:  # the same settings, read anew, must not end sessions
            self.relay, self.manners = relay, Manners(relay, Learnt())
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
