"""Sorts failures by their cause, in this one place, as Postfix's smtp_trouble.c does.

| failure                                                         | cause         | consequence                       |
| --------------------------------------------------------------- | ------------- | --------------------------------- |
| DNS, connect, TLS, greeting, EHLO, AUTH refused (any code), 421 | the relay     | ``RelayTrouble``; no attempt      |
| 530, 534, 535, 538 to MAIL: log in, or use TLS, first           | the relay     | as 421                            |
| a reused connection is found dead                               | none          | ``stale``; another one is opened  |
| an envelope sent with the previous dot is not understood        | none          | ``stale``, and ``too_early``      |
| a rate, a quota or a greylist at any stage, whatever the code   | as 4xx        | DEFERRED                          |
| 4xx to MAIL, DATA or dot; lost or silent before the dot         | the message   | DEFERRED                          |
| 5xx to MAIL, DATA or dot                                        | the message   | BOUNCED                           |
| 4xx, 5xx to RCPT                                                | the recipient | DEFERRED, BOUNCED                 |
| "too many recipients" after the first, or to DATA or the dot    | none          | UNTRIED; for another transaction  |
| silence after a group of commands, if one at a time works       | none          | sent again, one command at a time |
| lost or silent after the dot                                    | unknown       | UNCERTAIN (RFC 1047)              |

The verdicts say how a lost or silent connection affects the message; the relay's breaker counts it as well.
"""

from mailsvc.domain.attempt import Fate, Reply, Stage, Tls
from mailsvc.domain.connection import failure_in_words
from mailsvc.mime.refusal_meaning import is_for_later

__all__ = ["RelayTrouble", "fate_of", "in_words", "is_about_session", "safe", "unexpected"]

# RFC 4954 section 6: these codes are about the session, not about the message.
_ABOUT_SESSION = frozenset({530, 534, 535, 538})


class RelayTrouble(Exception):
    """A session could not be opened, or the relay ended it: a failure of the relay, not of a message."""

    def __init__(
        self,
        stage: Stage,
        text: str,
        *,
        reply: Reply | None = None,
        is_ours: bool = False,
        is_refusal: bool = False,
    ) -> None:
        self.text = safe(text)
        super().__init__(f"{stage.value}: {self.text}")
        self.stage = stage
        self.reply = reply
        self.is_ours = is_ours  # an error in this program or its data
        self.is_refusal = is_refusal  # an authorization server refuses the grant
        self.tls: Tls | None = None  # the TLS of the session up to then
        self.offered: tuple[str, ...] = ()  # the relay's last reply to EHLO, line by line

    @property
    def is_auth(self) -> bool:
        """Whether the credentials were refused: another attempt soon could lock the account."""
        by_relay = self.stage is Stage.AUTH and self.reply is not None and self.reply.code // 100 == 5
        return by_relay or self.is_refusal

    @property
    def in_words(self) -> str:
        """One line: the stage, the code (if there was a reply), the text."""
        code = f"{self.reply.code} " if self.reply is not None else ""
        return f"{self.stage.value}: {code}{self.text}".rstrip()


def unexpected(stage: Stage, error: BaseException) -> RelayTrouble:
    """The trouble for an unexpected error during work for a relay; the log has the details."""
    return RelayTrouble(stage, f"internal error: {type(error).__name__}; see the log", is_ours=True)


def safe(text: str) -> str:
    """The text without characters that some databases and logs can't store: invalid UTF-8 and NULs."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def fate_of(stage: Stage, reply: Reply) -> Fate:
    """The effect of a reply at this stage on its recipients."""
    kind = reply.code // 100
    if kind == 2 and stage is Stage.EOM:
        return Fate.SENT
    return Fate.BOUNCED if kind == 5 and not is_for_later(stage, reply) else Fate.DEFERRED


def is_about_session(stage: Stage, reply: Reply) -> bool:
    """Whether a refusal of MAIL is really about the session."""
    return stage is Stage.MAIL and reply.code in _ABOUT_SESSION


def in_words(error: BaseException) -> str:
    """A connection's failure in words that help."""
    return failure_in_words(error, ports="implicit TLS is usually on 465, STARTTLS on 587")
