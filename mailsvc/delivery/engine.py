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

__all__ = ["Body", "Broken", "Conversation", "Dot", "Expect", "Finding", "Step", "Write", "converse"]

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
    closing: Reply | None = None  # the relay ended the session
    broken: str | None = None  # the session ended without such words
    unheard: bool = False  # it was over before the relay said anything about this transaction


Talking: TypeAlias = Generator[Step, "Reply | bool | None", None]
Conversation: TypeAlias = Generator[Step, "Reply | bool | None", Finding]


def converse(submission: Submission, capabilities: Capabilities, *, reset_first: bool = False) -> Conversation:
    """Carry out one transaction.

    Raises:
        ValueError: an address or the content can't be said without harm; nothing was written.
    """
    talk = _Talk(submission, capabilities, reset_first=reset_first)
    try:
        yield from talk.run()
    except Broken as broken:
        talk.broke(broken)
    return talk.finding()


class _Talk:
    """The state of one transaction."""

    def __init__(self, submission: Submission, capabilities: Capabilities, *, reset_first: bool) -> None:
        require_crlf(submission.content)
        refusal = why_not(submission, capabilities)
        self._verdicts = [refusal or why_not_to(address, capabilities) for address in submission.recipients]
        self._asked = [n for n, verdict in enumerate(self._verdicts) if verdict is None]
        recipients = [submission.recipients[n] for n in self._asked]
        rcpts = [rcpt_command(address, submission, capabilities) for address in recipients]
        self._commands = [mail_command(submission, capabilities), *rcpts, b"DATA\r\n"]
        self._is_pipelined = capabilities.pipelining
        self._reset_first = self._needs_reset = reset_first
        self._accepted: list[int] = []
        self._stage = Stage.MAIL
        self._in_step = True
        self._closing: Reply | None = None
        self._broken: str | None = None
        self._unheard = True

    def run(self) -> Talking:
        if not self._asked:
            return
        if self._is_pipelined:
            yield Write((b"RSET\r\n" if self._reset_first else b"") + b"".join(self._commands))
        if self._reset_first:
            yield from self._reset()
        self._needs_reset = True
        for n, command in enumerate(self._commands):
            if self._closing or (not self._is_pipelined and self._is_over(n)):
                return
            if not self._is_pipelined:
                yield Write(command)
            yield from self._answer(n)
        if self._stage is Stage.BODY:
            yield from self._content()

    def _is_over(self, n: int) -> bool:
        """In lock-step: whether the next command makes no sense any more."""
        is_data = n > len(self._asked)
        return (self._stage is Stage.MAIL and n > 0) or (is_data and not self._accepted)

    def _expect(self, stage: Stage) -> Generator[Step, "Reply | bool | None", Reply]:
        reply = yield _EXPECT[stage]
        assert isinstance(reply, Reply)
        if reply.code == CLOSING or is_about_session(stage, reply):
            self._closing, self._in_step = reply, False
        else:
            self._unheard = False
        return reply

    def _reset(self) -> Talking:
        if not self._is_pipelined:
            yield Write(b"RSET\r\n")
        reply = yield from self._expect(Stage.MAIL)
        if reply.code // 100 != 2 and not self._closing:
            self._unheard = True
            raise Broken(f"the relay refused RSET: {reply.text}")
        self._unheard = True

    def _answer(self, n: int) -> Talking:
        """Take the reply to command ``n``."""
        if n == 0:
            return self._mail_answered()
        if n <= len(self._asked):
            return self._rcpt_answered(self._asked[n - 1])
        return self._data_answered()

    def _mail_answered(self) -> Talking:
        reply = yield from self._expect(Stage.MAIL)
        if self._closing:
            return
        if reply.code // 100 == 3:
            raise Broken("the relay answered MAIL with 3xx")
        if reply.code // 100 == 2:
            self._stage = Stage.RCPT
        else:
            self._conclude(Stage.MAIL, reply)

    def _rcpt_answered(self, n: int) -> Talking:
        reply = yield from self._expect(Stage.RCPT)
        if self._closing or self._verdicts[n] is not None:
            return  # where MAIL was refused, this is only its echo
        if reply.code // 100 == 3:
            raise Broken("the relay answered RCPT with 3xx")
        if reply.code // 100 == 2:
            self._accepted.append(n)
        elif is_too_many(reply, accepted=len(self._accepted)):
            self._verdicts[n] = Verdict(Fate.UNTRIED, Stage.RCPT, reply, "too many recipients at once")
        else:
            self._verdicts[n] = Verdict(fate_of(Stage.RCPT, reply), Stage.RCPT, reply, reply.text)

    def _data_answered(self) -> Talking:
        self._stage = Stage.DATA
        reply = yield from self._expect(Stage.DATA)
        if self._closing:
            return
        if reply.code // 100 == 2:
            raise Broken("the relay answered DATA with 2xx")
        if reply.code // 100 != 3:
            self._conclude(Stage.DATA, reply)
        elif self._accepted:
            self._stage = Stage.BODY
        else:
            self._in_step = False  # it waits for content that nobody wants: leave

    def _content(self) -> Talking:
        yield Body()
        if not (yield Dot(tuple(self._accepted))):
            self._in_step = False
            self._give_back("the lease ran out before the final dot")
            return
        self._stage = Stage.EOM
        reply = yield from self._expect(Stage.EOM)
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

    def broke(self, broken: Broken) -> None:
        self._in_step = False
        reply = broken.reply
        if reply is not None and reply.code == CLOSING:
            self._closing = reply
        elif reply is not None and reply.code // 100 in (4, 5):
            self._conclude(self._stage, reply)
        else:
            self._broken = broken.text
            self._unheard = self._unheard and not broken.timed_out
            fate = Fate.UNCERTAIN if self._stage is Stage.EOM else Fate.DEFERRED
            self._fill(Verdict(fate, self._stage, reply, broken.text))

    def finding(self) -> Finding:
        self._give_back(f"the relay ended the session: {self._closing.text}" if self._closing else "not tried")
        return Finding(
            tuple(v for v in self._verdicts if v is not None),
            stage=self._stage,
            in_step=self._in_step,
            needs_reset=self._needs_reset,
            closing=self._closing,
            broken=self._broken,
            unheard=self._unheard and not self._in_step,
        )
