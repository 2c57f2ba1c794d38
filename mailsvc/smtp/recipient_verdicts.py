"""The verdicts of one transaction: what each reply means for the recipients that it is about."""

from collections.abc import Iterable, Sequence

from mailsvc.domain.attempt import Fate, Reply, Stage, Verdict
from mailsvc.mime.refusal_meaning import is_about_count
from mailsvc.smtp.recipient_limit import is_cut, is_too_many
from mailsvc.smtp.trouble import fate_of

__all__ = ["RecipientVerdicts"]

_FEW = 5  # recipients accepted before a refusal: with fewer, the refusal may have other reasons, and no limit is learnt


class RecipientVerdicts:
    """At most one verdict per recipient; the first one counts.

    Args:
        refused: the verdicts on recipients that mailsvc itself refuses; None for the others.

    Attributes:
        accepted: the recipients that RCPT was accepted for, by their number.
        judged: a reply was about a recipient or the message.
        most_recipients: the relay's limit of recipients per transaction, if it showed one.
    """

    def __init__(self, refused: Iterable[Verdict | None]) -> None:
        self._verdicts = list(refused)
        self.accepted: list[int] = []
        self.judged = False
        self.most_recipients: int | None = None

    def has(self, n: int) -> bool:
        """Whether this recipient has its verdict."""
        return self._verdicts[n] is not None

    def missing(self) -> list[int]:
        """The recipients without a verdict."""
        return [n for n, verdict in enumerate(self._verdicts) if verdict is None]

    def all(self) -> tuple[Verdict, ...]:
        """All verdicts, in the order of the recipients."""
        return tuple(filter(None, self._verdicts))

    def fill(self, verdict: Verdict) -> None:
        """Give this verdict to all recipients that have none yet."""
        self._verdicts = [v or verdict for v in self._verdicts]

    def refuse(self, n: int, reply: Reply) -> None:
        """The reply to RCPT is 4xx or 5xx."""
        if is_too_many(reply, accepted=len(self.accepted)):
            self._set_aside([n], Stage.RCPT, reply, most=len(self.accepted))
        else:
            self.judged = True
            self._verdicts[n] = Verdict(fate_of(Stage.RCPT, reply), Stage.RCPT, reply, reply.text)

    def conclude(self, stage: Stage, reply: Reply) -> None:
        """Give the reply's verdict to all recipients that have none yet."""
        self.judged = True
        if len(self.accepted) > 1 and is_about_count(reply):
            self._set_aside(self.accepted, stage, reply, most=len(self.accepted) // 2)
        else:
            self.fill(Verdict(fate_of(stage, reply), stage, reply, reply.text))

    def look_for_cut(self, sent: Iterable[int]) -> None:
        """Detect a relay that accepts some recipients and then replies 451 to all others.

        Args:
            sent: the recipients that RCPT was sent for.
        """
        beyond = [n for n in sent if self.accepted and n > self.accepted[-1]]
        replies = [v.reply for n in beyond if (v := self._verdicts[n]) is not None and v.reply is not None]
        if beyond and len(replies) == len(beyond) and is_cut(replies):
            # If the relay really means "later", it says so again to the first recipient of the next transaction.
            self._set_aside(beyond, Stage.RCPT, replies[0], most=len(self.accepted))

    def _set_aside(self, several: Sequence[int], stage: Stage, reply: Reply, *, most: int) -> None:
        """Leave these recipients, which were too many, for another transaction.

        The limit is learnt only if the refusal can hardly have another reason.
        """
        self.judged = True
        if most >= _FEW or is_about_count(reply):
            self.most_recipients = most
        for n in several:
            self._verdicts[n] = Verdict(Fate.UNTRIED, stage, reply, "too many recipients at once")
