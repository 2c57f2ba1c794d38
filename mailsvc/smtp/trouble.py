"""Whose fault is it? The one place that sorts failures, as Postfix's smtp_trouble.c does.

| trouble                                                          | whose           | consequence                         |
| ---------------------------------------------------------------- | --------------- | ----------------------------------- |
| DNS, connect, TLS, greeting, EHLO, AUTH refused (any code), 421  | the relay's     | ``RelayTrouble``; nothing is charged |
| 530, 534, 535, 538 to MAIL: log in, or use TLS, first            | the relay's     | as 421                              |
| a reused connection is found dead                                | nobody's        | ``stale``; another one is opened    |
| an envelope that came with the dot before is not understood      | nobody's        | ``stale``, and ``too_early``        |
| a rate, a quota or a greylist at any stage, whatever the code    | as 4xx          | DEFERRED                            |
| 4xx to MAIL, DATA or dot; lost or silent before the dot          | the message's   | DEFERRED                            |
| 5xx to MAIL, DATA or dot                                         | the message's   | BOUNCED                             |
| 4xx, 5xx to RCPT                                                 | that recipient's | DEFERRED, BOUNCED                   |
| "too many recipients" after the first, or to DATA or the dot     | nobody's        | UNTRIED; goes in another transaction |
| silence after a group of commands, where one at a time works     | nobody's        | goes again, one command at a time   |
| lost or silent after the dot                                     | nobody knows    | UNCERTAIN (RFC 1047)                |

What a loss or silence did to the message is in its verdicts; the relay's breaker is told of it besides.
"""

from mailsvc.domain.attempt import Fate, Reply, Stage, Tls
from mailsvc.domain.connection import failure_in_words
from mailsvc.mime.smtp_status import is_for_later

__all__ = ["RelayTrouble", "fate_of", "in_words", "is_about_session", "safe", "unexpected"]

# RFC 4954 section 6: they tell of the session, whatever message happens to be asked about.
_ABOUT_SESSION = frozenset({530, 534, 535, 538})


class RelayTrouble(Exception):
    """A session that could not be opened, or that the relay ended: the relay's trouble, no message's."""

    def __init__(self, stage: Stage, text: str, *, reply: Reply | None = None, is_ours: bool = False) -> None:
        self.text = safe(text)
        super().__init__(f"{stage.value}: {self.text}")
        self.stage = stage
        self.reply = reply
        self.is_ours = is_ours  # a fault of this program or of its data
        self.tls: Tls | None = None  # how the session was protected until then
        self.offered: tuple[str, ...] = ()  # the relay's last answer to EHLO, line by line

    @property
    def is_auth(self) -> bool:
        """Whether the credentials were refused: trying again soon could lock the account."""
        return self.stage is Stage.AUTH and self.reply is not None and self.reply.code // 100 == 5

    @property
    def in_words(self) -> str:
        """One line: the stage, the code where a reply came, the text."""
        code = f"{self.reply.code} " if self.reply is not None else ""
        return f"{self.stage.value}: {code}{self.text}"


def unexpected(stage: Stage, error: BaseException) -> RelayTrouble:
    """What nobody foresaw, while something was done for a relay; the log has the rest."""
    return RelayTrouble(stage, f"internal error: {type(error).__name__}; see the log", is_ours=True)


def safe(text: str) -> str:
    """The text without what not every database and log can keep: bytes that were no UTF-8, and NULs."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def fate_of(stage: Stage, reply: Reply) -> Fate:
    """What a reply at this stage means for those whom it is about."""
    kind = reply.code // 100
    if kind == 2 and stage is Stage.EOM:
        return Fate.SENT
    return Fate.BOUNCED if kind == 5 and not is_for_later(stage, reply) else Fate.DEFERRED


def is_about_session(stage: Stage, reply: Reply) -> bool:
    """Whether a refusal of MAIL is really one of the session."""
    return stage is Stage.MAIL and reply.code in _ABOUT_SESSION


def in_words(error: BaseException) -> str:
    """A connection's failure in words that help."""
    return failure_in_words(error, ports="implicit TLS is usually on 465, STARTTLS on 587")
