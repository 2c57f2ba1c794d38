"""One SMTP transaction, without I/O: a generator that says what to write and what to wait for, and is told what came.

It reads top to bottom as the protocol does (RFC 5321 section 3.3, RFC 2920 where PIPELINING is offered). Whoever drives it
sends back replies, or throws ``Broken`` in; what it returns is a verdict for every recipient, whatever happened.
"""

from collections.abc import Generator
from typing import TypeAlias

import msgspec

from mailsvc.delivery.commands import Capabilities, Submission, mail_command, rcpt_command, why_not
from mailsvc.delivery.trouble import fate_of, is_too_many
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
    """Send the content without its final dot, until the transport holds nothing back and the connection is seen alive."""


class Dot(msgspec.Struct, frozen=True, gc=False):
    """Send the final dot for these recipients, unless the lease is gone; the answer says whether it went out."""

    accepted: tuple[int, ...]


Step: TypeAlias = Write | Expect | Body | Dot


class Broken(Exception):
    """The connection is of no more use: lost, timed out, or out of step."""

    def __init__(self, text: str, reply: Reply | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.reply = reply  # an early reply in the middle of the body


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What a transaction came to."""

    verdicts: tuple[Verdict, ...]
    in_step: bool  # whether the session may be used again
    needs_reset: bool  # whether RSET must come before the next MAIL
    closing: Reply | None = None  # the relay said 421
    nothing_came: bool = False  # broken before any reply


Conversation: TypeAlias = Generator[Step, "Reply | bool | None", Finding]


def converse(submission: Submission, capabilities: Capabilities, *, reset_first: bool = False) -> Conversation:
    """Carry out one transaction."""
    refusal = why_not(submission, capabilities)
    if refusal is not None:
        return _all(submission, refusal, needs_reset=reset_first)
    talk = _Talk(submission, capabilities)
    try:
        yield from talk.run(reset_first=reset_first)
    except Broken as broken:
        talk.broke(broken)
    return talk.finding()


def _all(submission: Submission, verdict: Verdict, *, needs_reset: bool) -> Finding:
    return Finding((verdict,) * len(submission.recipients), in_step=True, needs_reset=needs_reset)


class _Talk:
    """The state of one transaction."""

    def __init__(self, submission: Submission, capabilities: Capabilities) -> None:
        self._submission = submission
        self._capabilities = capabilities
        self._verdicts: list[Verdict | None] = [None] * len(submission.recipients)
        self._accepted: list[int] = []
        self._stage = Stage.MAIL
        self._in_step = True
        self._needs_reset = True
        self._closing: Reply | None = None
        self._heard = False
        self._dot_is_out = False

    def run(self, *, reset_first: bool) -> Generator[Step, "Reply | bool | None", None]:
        commands = self._commands()
        pipelined = self._capabilities.pipelining
        reset = b"RSET\r\n" if reset_first else b""
        if pipelined:
            yield Write(reset + b"".join(commands))
        if reset_first:
            if not pipelined:
                yield Write(reset)
            yield from self._expect(Stage.MAIL)
        for n, command in enumerate(commands):
            if not pipelined:
                if self._is_over(n):
                    return
                yield Write(command)
            if not (yield from self._answer(n)):
                return
        if not self._in_step or self._stage is not Stage.BODY:
            return
        yield from self._content()

    def _commands(self) -> list[bytes]:
        submission, capabilities = self._submission, self._capabilities
        rcpts = [rcpt_command(address, submission, capabilities) for address in submission.recipients]
        return [mail_command(submission, capabilities), *rcpts, b"DATA\r\n"]

    def _is_over(self, n: int) -> bool:
        """In lock-step: whether the next command makes no sense any more."""
        is_data = n > len(self._verdicts)
        return (self._stage is Stage.MAIL and n > 0) or (is_data and not self._accepted)

    def _expect(self, stage: Stage) -> Generator[Step, "Reply | bool | None", Reply]:
        reply = yield Expect(stage)
        assert isinstance(reply, Reply)
        self._heard = True
        if reply.code == CLOSING:
            self._closing, self._in_step = reply, False
        return reply

    def _answer(self, n: int) -> Generator[Step, "Reply | bool | None", bool]:
        """Take the reply to command ``n``; False where the transaction ends with it."""
        if n == 0:
            return (yield from self._mail_answered())
        if n <= len(self._verdicts):
            return (yield from self._rcpt_answered(n - 1))
        return (yield from self._data_answered())

    def _mail_answered(self) -> Generator[Step, "Reply | bool | None", bool]:
        reply = yield from self._expect(Stage.MAIL)
        if self._closing:
            return False
        if reply.code // 100 == 2:
            self._stage = Stage.RCPT
        else:
            self._conclude(Stage.MAIL, reply)
        return True

    def _rcpt_answered(self, n: int) -> Generator[Step, "Reply | bool | None", bool]:
        reply = yield from self._expect(Stage.RCPT)
        if self._closing:
            self._untried("the relay closed the session")
            return False
        if self._verdicts[n] is not None:
            return True  # MAIL was refused: this is only its echo
        if reply.code // 100 == 2:
            self._accepted.append(n)
        elif is_too_many(reply, accepted=len(self._accepted)):
            self._verdicts[n] = Verdict(Fate.UNTRIED, Stage.RCPT, reply, "too many recipients at once")
        else:
            self._verdicts[n] = Verdict(fate_of(Stage.RCPT, reply), Stage.RCPT, reply, reply.text)
        return True

    def _data_answered(self) -> Generator[Step, "Reply | bool | None", bool]:
        reply = yield from self._expect(Stage.DATA)
        if self._closing:
            self._untried("the relay closed the session")
            return False
        if reply.code // 100 == 3:
            if self._accepted:
                self._stage = Stage.BODY
            else:
                self._in_step = False  # it waits for content that nobody wants: leave
            return True
        if reply.code // 100 == 2:
            raise Broken("the relay answered DATA with 2xx")
        self._conclude(Stage.DATA, reply)
        return True

    def _content(self) -> Generator[Step, "Reply | bool | None", None]:
        yield Body()
        if not (yield Dot(tuple(self._accepted))):
            self._in_step = False
            self._untried("the lease ran out before the final dot")
            return
        self._stage, self._dot_is_out = Stage.EOM, True
        reply = yield from self._expect(Stage.EOM)
        if reply.code // 100 == 3:
            raise Broken("the relay answered the final dot with 3xx")
        self._conclude(Stage.EOM, reply)
        self._needs_reset = reply.code // 100 != 2

    def _conclude(self, stage: Stage, reply: Reply) -> None:
        """The reply decides for everybody who has no verdict yet."""
        verdict = Verdict(fate_of(stage, reply), stage, reply, reply.text)
        self._verdicts = [v or verdict for v in self._verdicts]

    def _untried(self, text: str) -> None:
        verdict = Verdict(Fate.UNTRIED, self._stage, self._closing, text)
        self._verdicts = [v or verdict for v in self._verdicts]

    def broke(self, broken: Broken) -> None:
        self._in_step = False
        if broken.reply is not None and broken.reply.code == CLOSING:
            self._closing = broken.reply
        if broken.reply is not None and broken.reply.code // 100 in (4, 5) and not self._closing:
            self._conclude(self._stage, broken.reply)
            return
        fate = Fate.UNCERTAIN if self._dot_is_out else Fate.DEFERRED
        verdict = Verdict(fate, self._stage, broken.reply, broken.text)
        self._verdicts = [v or verdict for v in self._verdicts]

    def finding(self) -> Finding:
        if any(v is None for v in self._verdicts):
            self._untried("the relay closed the session" if self._closing else "the session ended early")
        return Finding(
            tuple(v for v in self._verdicts if v is not None),
            in_step=self._in_step,
            needs_reset=self._needs_reset,
            closing=self._closing,
            nothing_came=not self._heard,
        )
