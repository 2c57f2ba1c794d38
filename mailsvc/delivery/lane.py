"""A lane: one relay in one process, with its sessions, its queue of parcels and its breaker.

There are as many senders as there is work, up to the relay's share of connections.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from mailsvc import clock
from mailsvc.delivery.breaker import Breaker
from mailsvc.delivery.dialling import dialled
from mailsvc.delivery.learned_limits import LearnedLimits
from mailsvc.delivery.parcel import Parcel
from mailsvc.delivery.parcelqueue import ParcelQueue
from mailsvc.delivery.relay_profile import RelayProfile
from mailsvc.delivery.relay_tokens import Tokens
from mailsvc.delivery.sender import Contents, Reports, Sender
from mailsvc.delivery.session_pool import SessionPool, most_sessions
from mailsvc.domain.attempt import Fate, Stage
from mailsvc.domain.relay import Relay
from mailsvc.mime.refusal_meaning import is_our_rate
from mailsvc.smtp.opening import RelayTrouble, Session, TransactionResult
from mailsvc.smtp.trouble import unexpected
from mailsvc.telemetry import Meter, facts, log

__all__ = ["Health", "Lane", "LaneParts"]

MAX_AGE_SECONDS = 300.0


class Health(Protocol):
    """Keeps what happens to relays in their rows."""

    async def failed(self, lane: "Lane", trouble: RelayTrouble) -> None: ...
    async def recovered(self, lane: "Lane") -> None: ...
    async def troubled(self, lane: "Lane", trouble: RelayTrouble) -> None: ...
    def learnt(self, lane: "Lane") -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True)
class LaneParts:
    """The collaborators of all lanes in a process; ``wants_more`` wakes the claim loop."""

    reports: Reports
    contents: Contents
    health: Health
    wants_more: Callable[[], None]
    tokens: Tokens
    meter: Meter = field(default_factory=Meter)


class Lane:
    """One relay's sessions and queue."""

    def __init__(self, relay: Relay, parts: LaneParts, learnt: LearnedLimits | None = None) -> None:
        self.relay = relay
        self._parts, self.tokens, self.meter = parts, parts.tokens, parts.meter
        self.profile = RelayProfile(relay, learnt or LearnedLimits())
        self.breaker = Breaker()
        self.share = relay.max_connections  # our share of the relay's connections
        self.queue = ParcelQueue()
        self._senders = SessionPool(relay.name, lambda: Sender(self, parts.reports, parts.contents), self._sender_ended)

    def room(self) -> int:
        """How many deliveries this lane can take now."""
        if self.share == 0 or self.is_blocked():
            return 0
        return self.queue.room(share=self.share, is_trying=not self.breaker.is_closed)

    @property
    def connections(self) -> int:
        return len(self._senders)

    def put(self, parcels: list[Parcel]) -> None:
        """Queue parcels, and start or wake senders for them."""
        self.queue.put(parcels)
        self._start_senders()

    @property
    def _most(self) -> int:
        return most_sessions(self.share, is_trying=not self.breaker.is_closed)

    def _start_senders(self) -> None:
        if self.share == 0 or self.is_blocked():
            self._return_waiting()  # none of our senders may have them: the next claim decides who sends them
        else:
            self._senders.wake_or_start(len(self.queue.waiting), self._most)

    def _sender_ended(self, error: BaseException | None) -> None:
        if error is not None:
            # A sender that restarts at once would fail at once. The breaker's waits apply to our own errors, too.
            log.error("a sender failed", exc_info=error, extra=facts(relay=self.relay.name))
            self._senders.in_background(self.trouble(unexpected(Stage.CONNECT, error)))
        elif self.queue.waiting:
            self._start_senders()

    # Called by senders (Source)

    async def has_work(self, session: Session | None) -> bool:
        """Wait for a parcel, for as long as the idle session is worth keeping."""
        while not self.queue.waiting:
            if session is None or not session.usable or self._is_over_share() or self.is_blocked():
                return False
            if not await self._senders.wait_for_work():
                return False
        return not self._is_over_share() and not self.is_blocked()

    def _is_over_share(self) -> bool:
        return len(self._senders) > self._most

    def is_blocked(self) -> bool:
        """Whether the relay must not be used now."""
        return self.breaker.is_open(clock.monotonic())

    def may_keep(self, session: Session) -> bool:
        """Whether the session may send another parcel: not too old, relay unchanged, within the lane's share, relay not paused."""
        return (
            session.relay is self.relay
            and not self._is_over_share()
            and clock.monotonic() - session.opened_at < MAX_AGE_SECONDS
            and not self.is_blocked()
        )

    async def open(self) -> Session | None:
        """Open a session; None if that fails for now."""
        session = await dialled(self)
        if session is not None and not self.profile.sends_groups:
            session.go_one_by_one()
        return session

    def learn(self, result: TransactionResult) -> bool:
        """Learn from a result what the relay can't do. Returns whether the same parcel should be sent again at once."""
        before = self.profile.learnt
        goes_again = self.profile.learn(result)
        if self.profile.learnt != before:
            self._senders.in_background(self._parts.health.learnt(self))
        return goes_again

    async def note_result(self, result: TransactionResult) -> None:
        """Count the result of a transaction."""
        if not result.stale:
            self.queue.one_done()
            if _says_too_much(result):
                # Deferred messages come back, in growing numbers.
                self.queue.slow_down()
                log.warning("a relay says that it gets too much", extra=facts(relay=self.relay.name))
        if result.judged:
            await self._worked()
        elif result.relay_trouble is not None and not result.proven and not self.profile.is_finding_out:
            await self.trouble(result.relay_trouble)
        if len(self.queue.waiting) <= self.share and self.room():
            self._parts.wants_more()

    # Results of the relay

    def block(self, seconds: float) -> None:
        """Open the breaker for this long; after it, one session tries."""
        self.breaker.open(seconds, clock.monotonic())
        self._senders.wake_idle()

    async def _worked(self) -> None:
        if self.breaker.worked(clock.monotonic()):
            await self._parts.health.recovered(self)
            self._start_senders()

    async def trouble(self, trouble: RelayTrouble) -> None:
        """Count a session that failed before a message got a verdict; after several in a row the breaker opens."""
        self.meter.count("lane_failures" if trouble.is_ours else "session_failures")
        if self.breaker.failed(trouble, clock.monotonic()):
            await self._parts.health.failed(self, trouble)
            self._return_waiting()
        else:
            await self._parts.health.troubled(self, trouble)

    def _return_waiting(self) -> None:
        if waiting := self.queue.withdraw_all():
            self._parts.reports.give_back(waiting, self.breaker.trouble)

    # Changes and shutdown

    def adopt(self, relay: Relay, share: int) -> None:
        """Use changed settings; sessions opened with the old ones end after their current parcel."""
        if relay != self.relay:  # settings that were only read again must not end sessions
            self.relay, self.profile = relay, RelayProfile(relay, LearnedLimits())
        grew = share > self.share
        shrank, self.share = share < self.share, share
        if self.queue.waiting and (grew or share == 0):
            self._start_senders()
        if shrank:
            self._senders.wake_idle()

    async def stop(self, grace: float) -> None:
        """Return parcels that were not begun, give running transactions ``grace`` seconds, then cancel them."""
        self._return_waiting()
        self.share = 0
        await self._senders.stop(grace)
        self._return_waiting()


def _says_too_much(result: TransactionResult) -> bool:
    """Whether the relay says that the account sends too much (a rate or quota)."""
    return any(v.fate is Fate.DEFERRED and v.reply and is_our_rate(v.stage, v.reply) for v in result.verdicts)
