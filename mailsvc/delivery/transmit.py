"""Sending over an open session: drives the engine with a wire, one transaction after another."""

import contextlib
from collections.abc import Sequence
from typing import Protocol

import msgspec

from mailsvc import clock
from mailsvc.delivery import engine
from mailsvc.delivery.commands import Capabilities, Submission
from mailsvc.delivery.trouble import RelayTrouble
from mailsvc.delivery.wire import Wire
from mailsvc.domain.attempt import Fate, Reply, Stage, Tls, Verdict
from mailsvc.domain.relay import Relay

__all__ = ["Dot", "Session", "TransactionResult"]

QUIT_SECONDS = 2.0


class Dot(Protocol):
    """Whoever must know of the final dot. Both are called on the event loop and must be quick."""

    def about(self, accepted: Sequence[int]) -> bool:
        """The dot goes out next, for these recipients; False where our lease is gone: it must not."""

    def got(self, reply: Reply) -> None:
        """The reply to the dot was just read."""


class TransactionResult(msgspec.Struct, frozen=True, gc=False):
    """What became of a submission."""

    verdicts: tuple[Verdict, ...]  # in the order of the recipients
    relay_trouble: RelayTrouble | None  # what the relay's breaker should know
    stale: bool  # the reused connection was dead from the start: nothing happened, use another
    duration: float  # seconds


class Session:
    """An authenticated connection to a relay, for one transaction after another."""

    def __init__(self, relay: Relay, wire: Wire, capabilities: Capabilities) -> None:
        self.relay = relay
        self.host = relay.host
        self.capabilities = capabilities
        self.tls: Tls | None = wire.tls(verified=relay.verify)
        self.sent = 0
        self.opened_at = clock.monotonic()
        self._wire = wire
        self._in_step = True
        self._needs_reset = False
        self._held: bytes | memoryview = b""  # the end of the body, which goes out with the dot

    @property
    def usable(self) -> bool:
        """Whether another transaction may begin on it."""
        return self._in_step and self._wire.is_quiet and self.sent < self.relay.max_messages_per_connection

    async def submit(self, submission: Submission, dot: Dot) -> TransactionResult:
        """Carry out one transaction. Trouble of any kind is in the result; a cancellation aborts the connection.

        Raises:
            ValueError: an address or the content can't be said without harm.
        """
        began = clock.monotonic()
        is_reused = self.sent > 0
        self.sent += 1
        if not self._wire.is_quiet:
            self._wire.desert("the relay spoke out of turn, or left")
        self._in_step = False  # until it is known to be
        try:
            finding = await self._converse(submission, dot)
        except BaseException:
            self.abort()
            raise
        self._in_step, self._needs_reset = finding.in_step, finding.needs_reset
        if not self._in_step:
            self.abort()
        duration = clock.monotonic() - began
        if is_reused and finding.unheard:
            return TransactionResult(_untried(finding), None, stale=True, duration=duration)
        return TransactionResult(finding.verdicts, _trouble_of(finding), stale=False, duration=duration)

    async def _converse(self, submission: Submission, dot: Dot) -> engine.Finding:
        talk = engine.converse(submission, self.capabilities, reset_first=self._needs_reset)
        try:
            step = next(talk)
            while True:
                if type(step) is engine.Expect and (reply := self._wire.pop()) is not None:
                    step = talk.send(reply)
                    continue
                try:
                    answer = await self._do(step, submission, dot)
                except engine.Broken as broken:
                    step = talk.throw(broken)
                else:
                    step = talk.send(answer)
        except StopIteration as end:
            finding: engine.Finding = end.value
            return finding

    async def _do(self, step: engine.Step, submission: Submission, dot: Dot) -> Reply | bool | None:
        # Told apart by type, not by match: this runs for every reply of every message.
        timeouts = self.relay.timeouts
        if isinstance(step, engine.Expect):
            seconds: float = getattr(timeouts, step.stage.value)
            return await self._wire.reply(seconds)
        if isinstance(step, engine.Write):
            self._wire.write(step.data)
            return None
        if isinstance(step, engine.Body):
            self._held = await self._wire.send_body(submission.content, timeouts.body)
            return None
        if not dot.about(step.accepted):
            return False
        self._wire.listener = dot
        self._wire.write(b"".join((self._held, b".\r\n")))
        return True

    async def quit(self) -> None:
        """Leave politely, but not for long."""
        try:
            if self._in_step and self._wire.is_quiet:
                self._wire.write(b"QUIT\r\n")
                with contextlib.suppress(engine.Broken):
                    await self._wire.reply(QUIT_SECONDS)
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._in_step = False
        self._wire.fail("closed")


def _trouble_of(finding: engine.Finding) -> RelayTrouble | None:
    if finding.closing is not None:
        return RelayTrouble(finding.stage, finding.closing.text, reply=finding.closing)
    return RelayTrouble(finding.stage, finding.broken) if finding.broken is not None else None


def _untried(finding: engine.Finding) -> tuple[Verdict, ...]:
    """Nobody is to blame for a connection that died while it was idle; what we refused ourselves stays refused."""
    text = "the connection was found dead"
    return tuple(
        v if v.fate is Fate.BOUNCED else Verdict(Fate.UNTRIED, Stage.MAIL, v.reply, text) for v in finding.verdicts
    )
