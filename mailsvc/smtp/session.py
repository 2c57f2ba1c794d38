"""Sends over an open session, one transaction after another."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import msgspec

from mailsvc import clock
from mailsvc.domain.attempt import Fate, Reply, Stage, Tls, Verdict
from mailsvc.domain.relay import Relay
from mailsvc.smtp.commands import Capabilities, Submission
from mailsvc.smtp.steps import Broken, Content, Expect, Step, TransactionEnd
from mailsvc.smtp.transaction import Transaction
from mailsvc.smtp.trouble import RelayTrouble
from mailsvc.smtp.wire import Wire

__all__ = ["Dot", "Session", "TransactionResult"]

QUIT_SECONDS = 2.0
GROUP_SECONDS = 20.0  # of silence: then the relay may have lost commands that were sent in one piece
EARLY_SECONDS = 30.0  # of silence: then the relay is taken to have missed what was sent with the dot


class Dot(Protocol):
    """Is called before and after the final dot. Both methods run on the event loop and must be quick."""

    def about(self, accepted: Sequence[int]) -> bool:
        """Called before the dot is sent for these recipients. False forbids it, because our lease is lost."""

    def got(self, reply: Reply) -> None:
        """Called with the reply to the dot."""


class TransactionResult(msgspec.Struct, frozen=True, gc=False):
    """The result of a submission."""

    verdicts: tuple[Verdict, ...]  # in the order of the recipients
    relay_trouble: RelayTrouble | None  # for the relay's breaker
    stale: bool  # nothing was sent, use another connection: this one was dead, or too early for the relay
    duration: float  # seconds
    too_early: bool = False  # the relay can't handle a transaction that begins before the previous one's reply
    lost_group: bool = False  # no reply to commands sent in one piece; it happened before the dot, so nothing was sent
    judged: bool = False  # the relay gave a verdict on the message or a recipient, and the session can go on
    proven: bool = False  # it had already done so for an earlier transaction of the session
    most_recipients: int | None = None  # the relay's limit of recipients per transaction, if it showed one


def _nothing() -> Submission | None:
    return None


class Session:
    """An authenticated connection to a relay, which carries one transaction after another."""

    def __init__(self, relay: Relay, wire: Wire, capabilities: Capabilities) -> None:
        self.relay = relay
        self.host = relay.host
        self.capabilities = capabilities
        self.tls: Tls | None = wire.channel.tls(verified=relay.verify)
        self.sent = 0
        self.has_worked = False  # a transaction got a verdict
        self.opened_at = clock.monotonic()
        self._wire = wire
        self._in_step = True
        self._needs_reset = False
        self._early: Transaction | None = None  # the next transaction, if its envelope was sent with the dot
        self._following: Callable[[], Submission | None] = _nothing
        if relay.pipelining == "off":
            self.go_one_by_one()

    @property
    def usable(self) -> bool:
        """Whether another transaction may begin on this session."""
        return self._in_step and self._is_quiet and self.sent < self.relay.max_messages_per_connection

    @property
    def _is_quiet(self) -> bool:
        """Whether the connection works and no unexpected reply has come."""
        return self._wire.fault is None if self._early is not None else self._wire.is_quiet

    async def submit(
        self, submission: Submission, dot: Dot, *, following: Callable[[], Submission | None] = _nothing
    ) -> TransactionResult:
        """Carry out one transaction. All errors of the relay are in the result; a cancellation aborts the connection.

        Args:
            following: returns, at the time of the dot, the next submission for this session. If the relay offers
                PIPELINING, its envelope is sent together with the dot, which saves a round trip.

        Raises:
            ValueError: an address or the content can't be sent safely.
        """
        began = clock.monotonic()
        is_reused = self.sent > 0
        self.sent += 1
        if not self._is_quiet:
            self._wire.abandon("the relay spoke out of turn, or left")
        self._in_step, self._following = False, following  # set again once the session is known to be in step
        try:
            transaction = self._transaction(submission)
            ended = await self._converse(transaction, dot)
        except BaseException:
            self.abort()
            raise
        self._in_step, self._needs_reset = ended.in_step, ended.needs_reset
        if not self._in_step:
            self.abort()
        duration = clock.monotonic() - began
        if is_reused and ended.unanswered:
            # A relay that hangs up on the session's first early transaction will do so on all of them.
            too_early = ended.misunderstood or (transaction.is_opened and self.sent == 2)
            return TransactionResult(_untried(ended), None, stale=True, duration=duration, too_early=too_early)
        if self.has_worked and _is_left(ended):
            # Relays end connections in this way after a number of messages, or after some time.
            return TransactionResult(_untried(ended), None, stale=True, duration=duration)
        return self._result(ended, transaction, duration)

    def _result(self, ended: TransactionEnd, transaction: Transaction, duration: float) -> TransactionResult:
        proven, trouble = self.has_worked, _trouble_of(ended)
        judged = ended.judged and trouble is None
        self.has_worked = proven or judged
        return TransactionResult(
            ended.verdicts,
            trouble,
            stale=False,
            duration=duration,
            lost_group=transaction.is_in_group and ended.timed_out and ended.stage in _IN_GROUP,
            judged=judged,
            proven=proven,
            most_recipients=ended.most_recipients,
        )

    def go_one_by_one(self) -> None:
        """Wait for each reply before the next command, even if the relay offers PIPELINING."""
        self.capabilities = replace(self.capabilities, pipelining=False)

    def _transaction(self, submission: Submission) -> Transaction:
        early, self._early = self._early, None
        if early is None:
            return Transaction(submission, self.capabilities, reset_first=self._needs_reset)
        if early.submission is not submission:
            raise ValueError("another submission was begun on this session")
        return early

    async def _converse(self, transaction: Transaction, dot: Dot) -> TransactionEnd:
        talk = transaction.converse(self._wire.came)
        try:
            step = next(talk)
            while True:
                try:
                    answer = await self._do(step, transaction, dot)
                except Broken as broken:
                    step = talk.throw(broken)
                else:
                    step = talk.send(answer)
        except StopIteration as end:
            ended: TransactionEnd = end.value
            return ended

    async def _do(self, step: Step, transaction: Transaction, dot: Dot) -> bool | None:
        if isinstance(step, Content):
            return await self._send(transaction.submission.content, step.accepted, dot)
        if isinstance(step, Expect):
            seconds: float = getattr(self.relay.timeouts, step.stage)
            is_early = transaction.is_opened and step.stage is Stage.MAIL
            if is_early:
                seconds = min(seconds, EARLY_SECONDS)
            elif transaction.is_in_group and step.stage in _IN_GROUP:
                seconds = min(seconds, GROUP_SECONDS)
            await self._wire.wait_for_reply(seconds)
        else:
            self._wire.write(step.data)
        return None

    async def _send(self, content: bytes, accepted: tuple[int, ...], dot: Dot) -> bool:
        held = await self._wire.send_body(content, self.relay.timeouts.body)
        if not dot.about(accepted):
            return False
        self._wire.listener = dot
        self._wire.write(b"".join((held, b".\r\n", self._open_next())))
        return True

    def _open_next(self) -> bytes:
        """The envelope of the session's next transaction, if it may begin now."""
        if not self.capabilities.pipelining or self.sent >= self.relay.max_messages_per_connection:
            return b""
        if (following := self._following()) is None:
            return b""
        try:
            early = Transaction(following, self.capabilities)
        except ValueError:
            return b""  # raised again when this submission is sent
        opening = early.open_early()
        self._early = early if opening else None
        return opening

    async def quit(self) -> None:
        """Send QUIT, and wait only briefly for the reply."""
        try:
            if self._in_step and self._early is None and self._wire.is_quiet:
                self._wire.write(b"QUIT\r\n")
                with contextlib.suppress(Broken):
                    await self._wire.reply(QUIT_SECONDS)
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._in_step = False
        self._wire.fail("closed")


def _trouble_of(ended: TransactionEnd) -> RelayTrouble | None:
    if ended.closing is not None:
        return RelayTrouble(ended.stage, ended.closing.text, reply=ended.closing)
    return RelayTrouble(ended.stage, ended.broken) if ended.broken is not None else None


_IN_GROUP = (Stage.MAIL, Stage.RCPT, Stage.DATA)


def _is_left(ended: TransactionEnd) -> bool:
    """Whether the relay ended the session during the envelope, without a reply about the message."""
    is_over = ended.closing is not None or (ended.broken is not None and not ended.timed_out)
    return is_over and not ended.judged and ended.stage in _IN_GROUP


def _untried(ended: TransactionEnd) -> tuple[Verdict, ...]:
    """The verdicts after a connection died while idle: untried, except for recipients that mailsvc itself refused."""
    text = "the connection was found dead"
    return tuple(
        v if v.fate is Fate.BOUNCED else Verdict(Fate.UNTRIED, Stage.MAIL, v.reply, text) for v in ended.verdicts
    )
