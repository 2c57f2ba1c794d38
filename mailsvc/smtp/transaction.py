"""One SMTP transaction, without I/O: a generator that yields what to write and what to wait for.

The code follows the order of the protocol (RFC 5321 section 3.3, RFC 2920 if PIPELINING is offered). It takes replies
from a queue; its driver waits only while the queue is empty. If the driver can't go on, it throws ``Broken`` into the
generator. In every case the generator returns a verdict for every recipient.
"""

from collections import deque
from collections.abc import Generator

from mailsvc.domain.attempt import Fate, Reply, Stage, Verdict
from mailsvc.smtp.commands import Capabilities, Submission, mail_command, rcpt_command, why_not, why_not_to
from mailsvc.smtp.dotstuffing import require_crlf
from mailsvc.smtp.recipient_verdicts import RecipientVerdicts
from mailsvc.smtp.steps import Answer, Broken, Content, Conversation, Expect, Step, Talk, TransactionEnd, Write
from mailsvc.smtp.trouble import is_about_session

__all__ = ["Broken", "Content", "Conversation", "Expect", "Step", "Transaction", "TransactionEnd", "Write"]

CLOSING = 421
RESET, DATA = b"RSET\r\n", b"DATA\r\n"


_MAIL, _RCPT, _DATA, _EOM = map(Expect, (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.EOM))
# "unrecognised", "not implemented", "bad sequence" (RFC 5321 section 4.2.2)
_OUT_OF_TURN = (500, 502, 503)


class Transaction:
    """One submission, carried out over a session.

    Raises:
        ValueError: an address or the content can't be sent safely.
    """

    def __init__(self, submission: Submission, capabilities: Capabilities, *, reset_first: bool = False) -> None:
        require_crlf(submission.content)
        self.submission = submission
        refusal = why_not(submission, capabilities)
        self._verdicts = RecipientVerdicts([refusal or why_not_to(a, capabilities) for a in submission.recipients])
        self._mail = mail_command(submission, capabilities)
        self._rcpts = {  # the commands for recipients that can be sent
            n: rcpt_command(submission.recipients[n], submission, capabilities) for n in self._verdicts.missing()
        }
        self._is_pipelined = capabilities.pipelining
        self._reset_first = self._needs_reset = reset_first
        self._is_opened = self._is_misunderstood = False
        self._stage = Stage.MAIL
        self._in_step = True
        self._closing: Reply | None = None
        self._broken: str | None = None
        self._unanswered = True
        self._timed_out = False

    @property
    def is_in_group(self) -> bool:
        """Whether the envelope is sent in one piece."""
        return self._is_pipelined

    @property
    def is_opened(self) -> bool:
        """Whether it was opened early."""
        return self._is_opened

    def open_early(self) -> bytes:
        """The envelope, to be sent together with the final dot of the previous transaction (RFC 2920 section 3.1).

        Empty if the relay doesn't pipeline, or if no recipient can be sent. If the relay can't handle it, its first
        reply or its silence shows this. In that case the transaction never began, and it is no attempt.
        """
        if not self._is_pipelined or not self._rcpts:
            return b""
        self._is_opened, self._reset_first = True, False
        return self._commands()

    def _commands(self) -> bytes:
        return b"".join((self._mail, *self._rcpts.values(), DATA))

    def converse(self, came: deque[Reply]) -> Conversation:
        """Carry out the transaction.

        Args:
            came: the queue of replies: those that came already, and those to come.
        """
        try:
            if self._rcpts:
                yield from self._envelope(came)
            if self._stage is Stage.BODY:
                yield from self._content(came)
        except Broken as broken:
            self._broke(broken)
        return self._end()

    def _envelope(self, came: deque[Reply]) -> Talk:
        if self._is_pipelined and not self._is_opened:
            yield Write((RESET if self._reset_first else b"") + self._commands())
        if self._reset_first:
            self._reset_answered((yield from self._answer_to(RESET, _MAIL, came)))
        self._needs_reset = True
        if self._closing:
            return
        self._mail_answered((yield from self._answer_to(self._mail, _MAIL, came)))
        for n, command in self._rcpts.items():
            if self._closing or (not self._is_pipelined and self._stage is Stage.MAIL):
                return
            self._rcpt_answered(n, (yield from self._answer_to(command, _RCPT, came)))
        if self._closing or (not self._is_pipelined and not self._verdicts.accepted):
            return
        self._verdicts.look_for_cut(self._rcpts)
        self._stage = Stage.DATA
        self._data_answered((yield from self._answer_to(DATA, _DATA, came)))

    def _answer_to(self, command: bytes, expected: Expect, came: deque[Reply]) -> Generator[Step, Answer, Reply]:
        if not self._is_pipelined:
            yield Write(command)
        if not came:
            yield expected
        return came.popleft()

    def _reset_answered(self, reply: Reply) -> None:
        if not self._ends_session(Stage.MAIL, reply) and reply.code // 100 != 2:
            raise Broken(f"the relay refused RSET: {reply.text}")

    def _mail_answered(self, reply: Reply) -> None:
        if self._ends_session(Stage.MAIL, reply):
            return
        self._unanswered = False
        kind = reply.code // 100
        if kind == 2:
            self._stage = Stage.RCPT
        elif kind == 3:
            raise Broken("the relay answered MAIL with 3xx")
        elif self._is_opened and reply.code in _OUT_OF_TURN:
            # This is not about the message, but about the early MAIL: such a relay must get one command at a time.
            self._unanswered = self._is_misunderstood = True
            raise Broken(f"the relay wants no MAIL together with the dot before: {reply.text}")
        else:
            self._verdicts.conclude(Stage.MAIL, reply)

    def _rcpt_answered(self, n: int, reply: Reply) -> None:
        if self._ends_session(Stage.RCPT, reply) or self._verdicts.has(n):
            return  # if MAIL was refused, this reply only repeats that
        kind = reply.code // 100
        if kind == 2:
            self._verdicts.accepted.append(n)
        elif kind == 3:
            raise Broken("the relay answered RCPT with 3xx")
        else:
            self._verdicts.refuse(n, reply)

    def _data_answered(self, reply: Reply) -> None:
        if self._ends_session(Stage.DATA, reply):
            return
        kind = reply.code // 100
        if kind == 2:
            raise Broken("the relay answered DATA with 2xx")
        if kind != 3:
            self._verdicts.conclude(Stage.DATA, reply)
        elif self._verdicts.accepted:
            self._stage = Stage.BODY
        else:
            self._in_step = False  # the relay waits for content, but there is none to send: close

    def _content(self, came: deque[Reply]) -> Talk:
        if not (yield Content(tuple(self._verdicts.accepted))):
            self._in_step = False
            self._give_back("the lease ran out before the final dot")
            return
        self._stage = Stage.EOM
        if not came:
            yield _EOM
        self._dot_answered(came.popleft())

    def _dot_answered(self, reply: Reply) -> None:
        kind = reply.code // 100
        if kind == 3:
            raise Broken("the relay answered the final dot with 3xx")
        self._ends_session(Stage.EOM, reply)  # even so, this reply is about the message
        self._verdicts.conclude(Stage.EOM, reply)
        self._needs_reset = kind != 2

    def _ends_session(self, stage: Stage, reply: Reply) -> bool:
        """Whether the relay ends the session; then its reply is not about the message."""
        if reply.code != CLOSING and not is_about_session(stage, reply):
            return False
        self._closing, self._in_step = reply, False
        return True

    def _give_back(self, text: str) -> None:
        self._verdicts.fill(Verdict(Fate.UNTRIED, self._stage, self._closing, text))

    def _broke(self, broken: Broken) -> None:
        self._in_step, self._timed_out = False, broken.timed_out
        reply = broken.reply
        if reply is not None and reply.code == CLOSING:
            self._closing = reply
        elif reply is not None and reply.code // 100 in (4, 5):
            self._verdicts.conclude(self._stage, reply)
        else:
            self._broken = broken.text
            if self._unanswered and broken.timed_out:
                self._unanswered = self._is_misunderstood = self._is_opened
            fate = Fate.UNCERTAIN if self._stage is Stage.EOM else Fate.DEFERRED
            self._verdicts.fill(Verdict(fate, self._stage, reply, broken.text))

    def _end(self) -> TransactionEnd:
        if self._verdicts.missing():
            self._give_back(f"the relay ended the session: {self._closing.text}" if self._closing else "not tried")
        return TransactionEnd(
            self._verdicts.all(),
            stage=self._stage,
            in_step=self._in_step,
            needs_reset=self._needs_reset,
            misunderstood=self._is_misunderstood,
            closing=self._closing,
            broken=self._broken,
            unanswered=self._unanswered and not self._in_step,
            judged=self._verdicts.judged,
            timed_out=self._timed_out,
            most_recipients=self._verdicts.most_recipients,
        )
