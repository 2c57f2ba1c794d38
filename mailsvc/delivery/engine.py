"""One SMTP transaction, without I/O: a generator that says what to write and what to wait for, and is told what came.

It reads top to bottom as the protocol does (RFC 5321 section 3.3, RFC 2920 where PIPELINING is offered). Whoever drives it
sends back replies, or throws ``Broken`` in; what it returns is a verdict for every recipient, whatever happened.
"""

from collections.abc import Generator
from typing import TypeAlias

import msgspec

from mailsvc.delivery.commands import Capabilities, Submission, mail_command, rcpt_command, why_not, why_not_to
from mailsvc.delivery.stuffing import require_crlf
from mailsvc.delivery.trouble import fate_of, is_about_session, is_too_many
from mailsvc.domain.attempt import Fate, Reply, Stage, Verdict

__all__ = ["Body", "Broken", "Conversation", "Dot", "Expect", "Finding", "Step", "Transaction", "Write"]

CLOSING = 421


class Write(msgspec.Struct, frozen=True, gc=False):
    """Send these bytes."""

    data: bytes


class Expect(msgspec.Struct, frozen=True, gc=False):
    """Wait for the reply of this stage."""

    stage: Stage


class Body(msgspec.Struct, frozen=True, gc=False):
    """Send the content without its final dot, and see that the connection is alive; a short end may go with the dot."""


class Dot(msgspec.Struct, frozen=True, gc=False):
    """Send the final dot for these recipients, unless the lease is gone; the answer says whether it went out."""

    accepted: tuple[int, ...]


Step: TypeAlias = Write | Expect | Body | Dot

_EXPECT = {stage: Expect(stage) for stage in Stage}
_BODY = Body()
# "unrecognised", "not implemented", "bad sequence" (RFC 5321 section 4.2.2)
_OUT_OF_TURN = (500, 502, 503)


class Broken(Exception):
    """The connection is of no more use: lost, timed out, or out of step."""

    def __init__(self, text: str, reply: Reply | None = None, *, timed_out: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.reply = reply  # an early reply in the middle of the body
        self.timed_out = timed_out


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What a transaction came to."""

    verdicts: tuple[Verdict, ...]
    stage: Stage  # how far it came
    in_step: bool  # whether the session may be used again
    needs_reset: bool  # whether RSET must come before the next MAIL
    misunderstood: bool = False  # the relay could not cope with a transaction that was opened early
    closing: Reply | None = None  # the relay ended the session
    broken: str | None = None  # the session ended without such words
    unheard: bool = False  # it was over before the relay said anything about this transaction


Answer: TypeAlias = "Reply | bool | None"
Conversation: TypeAlias = Generator[Step, Answer, Finding]
Talk: TypeAlias = Generator[Step, Answer, None]


class Transaction:
    """One submission to be carried out over a session.

    Raises:
        ValueError: an address or the content can't be said without harm.
    """

    def __init__(self, submission: Submission, capabilities: Capabilities, *, reset_first: bool = False) -> None:
        require_crlf(submission.content)
        self.submission = submission
        refusal = why_not(submission, capabilities)
        self._verdicts = [refusal or why_not_to(address, capabilities) for address in submission.recipients]
        self._asked = [n for n, verdict in enumerate(self._verdicts) if verdict is None]
        recipients = [submission.recipients[n] for n in self._asked]
        rcpts = [rcpt_command(address, submission, capabilities) for address in recipients]
        self._commands = [mail_command(submission, capabilities), *rcpts, b"DATA\r\n"]
        self._is_pipelined = capabilities.pipelining
        self._reset_first = self._needs_reset = reset_first
        self._is_opened = self._is_misunderstood = False
        self._accepted: list[int] = []
        self._stage = Stage.MAIL
        self._in_step = True
        self._closing: Reply | None = None
        self._broken: str | None = None
        self._unheard = True

    @property
    def is_opened(self) -> bool:
        """Whether it was opened early."""
        return self._is_opened

    def open_early(self) -> bytes:
        """Its envelope, to be sent together with the final dot of the transaction before (RFC 2920 section 3.1).

        Nothing where the relay doesn't pipeline, or nobody would be asked. A relay that can't cope with it is found out
        by its first reply, or by its silence: then the transaction was never begun, and is no attempt.
        """
        if not self._is_pipelined or not self._asked:
            return b""
        self._is_opened, self._reset_first = True, False
        return b"".join(self._commands)

    def converse(self) -> Conversation:
        """Say what is not said yet, and listen."""
        try:
            if self._asked:
                yield from self._envelope()
            if self._stage is Stage.BODY:
                yield from self._content()
        except Broken as broken:
            self._broke(broken)
        return self._finding()

    def _envelope(self) -> Talk:
        if self._is_pipelined and not self._is_opened:
            yield Write((b"RSET\r\n" if self._reset_first else b"") + b"".join(self._commands))
        if self._reset_first:
            if not self._is_pipelined:
                yield Write(b"RSET\r\n")
            self._reset_answered(self._heard(Stage.MAIL, (yield _EXPECT[Stage.MAIL])))
        self._needs_reset = True
        last = len(self._commands) - 1
        for n, command in enumerate(self._commands):
            if self._closing or (not self._is_pipelined and self._is_over(n)):
                return
            if not self._is_pipelined:
                yield Write(command)
            stage = Stage.MAIL if n == 0 else Stage.DATA if n == last else Stage.RCPT
            if stage is Stage.DATA:
                self._stage = stage
            reply = self._heard(stage, (yield _EXPECT[stage]))
            if not self._closing:
                self._answered(stage, n, reply)

    def _is_over(self, n: int) -> bool:
        """In lock-step: whether the next command makes no sense any more."""
        is_data = n > len(self._asked)
        return (self._stage is Stage.MAIL and n > 0) or (is_data and not self._accepted)

    def _heard(self, stage: Stage, reply: Answer) -> Reply:
        assert isinstance(reply, Reply)
        if reply.code == CLOSING or is_about_session(stage, reply):
            self._closing, self._in_step = reply, False
        else:
            self._unheard = False
        return reply

    def _reset_answered(self, reply: Reply) -> None:
        if reply.code // 100 != 2 and not self._closing:
            self._unheard = True
            raise Broken(f"the relay refused RSET: {reply.text}")
        self._unheard = True

    def _answered(self, stage: Stage, n: int, reply: Reply) -> None:
        """Take the reply to command ``n``."""
        if stage is Stage.MAIL:
            self._mail_answered(reply)
        elif stage is Stage.RCPT:
            self._rcpt_answered(self._asked[n - 1], reply)
        else:
            self._data_answered(reply)

    def _mail_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 3:
            raise Broken("the relay answered MAIL with 3xx")
        if self._is_opened and reply.code in _OUT_OF_TURN:
            # Not about this message, but about when it was begun: whoever says so must be told one thing at a time.
            self._unheard = self._is_misunderstood = True
            raise Broken(f"the relay wants no MAIL together with the dot before: {reply.text}")
        if reply.code // 100 == 2:
            self._stage = Stage.RCPT
        else:
            self._conclude(Stage.MAIL, reply)

    def _rcpt_answered(self, n: int, reply: Reply) -> None:
        if self._verdicts[n] is not None:
            return  # where MAIL was refused, this is only its echo
        if reply.code // 100 == 3:
            raise Broken("the relay answered RCPT with 3xx")
        if reply.code // 100 == 2:
            self._accepted.append(n)
        elif is_too_many(reply, accepted=len(self._accepted)):
            self._verdicts[n] = Verdict(Fate.UNTRIED, Stage.RCPT, reply, "too many recipients at once")
        else:
            self._verdicts[n] = Verdict(fate_of(Stage.RCPT, reply), Stage.RCPT, reply, reply.text)

    def _data_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            raise Broken("the relay answered DATA with 2xx")
        if reply.code // 100 != 3:
            self._conclude(Stage.DATA, reply)
        elif self._accepted:
            self._stage = Stage.BODY
        else:
            self._in_step = False  # it waits for content that nobody wants: leave

    def _content(self) -> Talk:
        yield _BODY
        if not (yield Dot(tuple(self._accepted))):
            self._in_step = False
            self._give_back("the lease ran out before the final dot")
            return
        self._stage = Stage.EOM
        reply = self._heard(Stage.EOM, (yield _EXPECT[Stage.EOM]))
        if reply.code // 100 == 3:
            raise Broken("the relay answered the final dot with 3xx")
        self._conclude(Stage.EOM, reply)
        self._needs_reset = reply.code // 100 != 2

    def _conclude(self, stage: Stage, reply: Reply) -> None:
        """The reply decides for everybody who has no verdict yet."""
        self._fill(Verdict(fate_of(stage, reply), stage, reply, reply.text))

    def _give_back(self, text: str) -> None:
        self._fill(Verdict(Fate.UNTRIED, self._stage, self._closing, text))

    def _fill(self, verdict: Verdict) -> None:
        self._verdicts = [v or verdict for v in self._verdicts]

    def _broke(self, broken: Broken) -> None:
        self._in_step = False
        reply = broken.reply
        if reply is not None and reply.code == CLOSING:
            self._closing = reply
        elif reply is not None and reply.code // 100 in (4, 5):
            self._conclude(self._stage, reply)
        else:
            self._broken = broken.text
            if self._unheard and broken.timed_out:
                self._unheard = self._is_misunderstood = self._is_opened
            fate = Fate.UNCERTAIN if self._stage is Stage.EOM else Fate.DEFERRED
            self._fill(Verdict(fate, self._stage, reply, broken.text))

    def _finding(self) -> Finding:
        self._give_back(f"the relay ended the session: {self._closing.text}" if self._closing else "not tried")
        return Finding(
            tuple(v for v in self._verdicts if v is not None),
            stage=self._stage,
            in_step=self._in_step,
            needs_reset=self._needs_reset,
            misunderstood=self._is_misunderstood,
            closing=self._closing,
            broken=self._broken,
            unheard=self._unheard and not self._in_step,
        )
