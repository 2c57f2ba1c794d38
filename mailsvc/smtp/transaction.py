"""One SMTP transaction, without I/O: a generator that yields what to write and what to wait for.

The code follows the order of the protocol (RFC 5321 section 3.3, RFC 2920 if PIPELINING is offered). It takes replies
from a queue; its driver waits only while the queue is empty. If the driver can't go on, it throws ``Broken`` into the
generator. In every case the generator returns a verdict for every recipient.
"""

from collections import deque
from collections.abc import Generator

from mailsvc.domain.attempt import Fate, Reply, Stage, Verdict
from mailsvc.mime.smtp_status import is_about_count
from mailsvc.smtp.commands import Capabilities, Submission, mail_command, rcpt_command, why_not, why_not_to
from mailsvc.smtp.dotstuffing import require_crlf
from mailsvc.smtp.recipient_limit import is_cut, is_too_many
from mailsvc.smtp.steps import Answer, Broken, Content, Conversation, Expect, Step, Talk, TransactionEnd, Write
from mailsvc.smtp.trouble import fate_of, is_about_session

__all__ = ["Broken", "Content", "Conversation", "Expect", "Step", "Transaction", "TransactionEnd", "Write"]

CLOSING = 421
_FEW = 5  # recipients accepted before a refusal: with fewer, the refusal may have other reasons, and no limit is learnt
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
        self._verdicts: list[Verdict | None] = []
        self._mail = mail_command(submission, capabilities)
        self._rcpts: dict[int, bytes] = {}  # the commands for recipients that can be sent
        for n, address in enumerate(submission.recipients):
            verdict = refusal or why_not_to(address, capabilities)
            self._verdicts.append(verdict)
            if verdict is None:
                self._rcpts[n] = rcpt_command(address, submission, capabilities)
        self._is_pipelined = capabilities.pipelining
        self._reset_first = self._needs_reset = reset_first
        self._is_opened = self._is_misunderstood = False
        self._accepted: list[int] = []
        self._stage = Stage.MAIL
        self._in_step = True
        self._closing: Reply | None = None
        self._broken: str | None = None
        self._unheard = True
        self._judged = self._timed_out = False
        self._most_recipients: int | None = None

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
        return self._finding()

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
        if self._closing or (not self._is_pipelined and not self._accepted):
            return
        self._look_for_cut()
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
        self._unheard = False
        kind = reply.code // 100
        if kind == 2:
            self._stage = Stage.RCPT
        elif kind == 3:
            raise Broken("the relay answered MAIL with 3xx")
        elif self._is_opened and reply.code in _OUT_OF_TURN:
            # This is not about the message, but about the early MAIL: such a relay must get one command at a time.
            self._unheard = self._is_misunderstood = True
            raise Broken(f"the relay wants no MAIL together with the dot before: {reply.text}")
        else:
            self._conclude(Stage.MAIL, reply)

    def _rcpt_answered(self, n: int, reply: Reply) -> None:
        if self._ends_session(Stage.RCPT, reply) or self._verdicts[n] is not None:
            return  # if MAIL was refused, this reply only repeats that
        kind = reply.code // 100
        if kind == 2:
            self._accepted.append(n)
        elif kind == 3:
            raise Broken("the relay answered RCPT with 3xx")
        elif is_too_many(reply, accepted=len(self._accepted)):
            self._set_aside([n], Stage.RCPT, reply, most=len(self._accepted))
        else:
            self._judged = True
            self._verdicts[n] = Verdict(fate_of(Stage.RCPT, reply), Stage.RCPT, reply, reply.text)

    def _data_answered(self, reply: Reply) -> None:
        if self._ends_session(Stage.DATA, reply):
            return
        kind = reply.code // 100
        if kind == 2:
            raise Broken("the relay answered DATA with 2xx")
        if kind != 3:
            self._conclude(Stage.DATA, reply)
        elif self._accepted:
            self._stage = Stage.BODY
        else:
            self._in_step = False  # the relay waits for content, but there is none to send: close

    def _content(self, came: deque[Reply]) -> Talk:
        if not (yield Content(tuple(self._accepted))):
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
        self._conclude(Stage.EOM, reply)
        self._needs_reset = kind != 2

    def _ends_session(self, stage: Stage, reply: Reply) -> bool:
        """Whether the relay ends the session; then its reply is not about the message."""
        if reply.code != CLOSING and not is_about_session(stage, reply):
            return False
        self._closing, self._in_step = reply, False
        return True

    def _conclude(self, stage: Stage, reply: Reply) -> None:
        """Give the reply's verdict to all recipients that have none yet."""
        self._judged = True
        if len(self._accepted) > 1 and is_about_count(reply):
            self._set_aside(self._accepted, stage, reply, most=len(self._accepted) // 2)
        else:
            self._fill(Verdict(fate_of(stage, reply), stage, reply, reply.text))

    def _set_aside(self, several: list[int], stage: Stage, reply: Reply, *, most: int) -> None:
        """Leave these recipients, which were too many, for another transaction.

        The limit is learnt only if the refusal can hardly have another reason.
        """
        self._judged = True
        if most >= _FEW or is_about_count(reply):
            self._most_recipients = most
        for n in several:
            self._verdicts[n] = Verdict(Fate.UNTRIED, stage, reply, "too many recipients at once")

    def _look_for_cut(self) -> None:
        """Detect a relay that accepts some recipients and then replies 451 to all others."""
        beyond = [n for n in self._rcpts if self._accepted and n > self._accepted[-1]]
        replies = [v.reply for n in beyond if (v := self._verdicts[n]) is not None and v.reply is not None]
        if beyond and len(replies) == len(beyond) and is_cut(replies):
            # If the relay really means "later", it says so again to the first recipient of the next transaction.
            self._set_aside(beyond, Stage.RCPT, replies[0], most=len(self._accepted))

    def _give_back(self, text: str) -> None:
        self._fill(Verdict(Fate.UNTRIED, self._stage, self._closing, text))

    def _fill(self, verdict: Verdict) -> None:
        self._verdicts = [v or verdict for v in self._verdicts]

    def _broke(self, broken: Broken) -> None:
        self._in_step, self._timed_out = False, broken.timed_out
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

    def _finding(self) -> TransactionEnd:
        if None in self._verdicts:
            self._give_back(f"the relay ended the session: {self._closing.text}" if self._closing else "not tried")
        return TransactionEnd(
            tuple(filter(None, self._verdicts)),
            stage=self._stage,
            in_step=self._in_step,
            needs_reset=self._needs_reset,
            misunderstood=self._is_misunderstood,
            closing=self._closing,
            broken=self._broken,
            unheard=self._unheard and not self._in_step,
            judged=self._judged,
            timed_out=self._timed_out,
            most_recipients=self._most_recipients,
        )
