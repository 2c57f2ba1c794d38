"""What one SMTP transaction meant for one recipient: the words between delivery and the recorder."""

from enum import StrEnum

import msgspec


class Stage(StrEnum):
    """Where in the session it happened (contract: the ``stage`` of an attempt)."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    EOM = "eom"


class Fate(StrEnum):
    """What a transaction's result means for one recipient."""

    SENT = "sent"  # 2xx to the final dot, this recipient among those accepted
    BOUNCED = "bounced"  # a permanent refusal of this recipient or of the message
    DEFERRED = "deferred"  # not delivered, worth another try; an attempt is charged
    UNTRIED = "untried"  # certainly not delivered and not the message's fault; no attempt is charged
    UNCERTAIN = "uncertain"  # the final dot went out and no reply came (RFC 1047)


class Reply(msgspec.Struct, frozen=True, gc=False):
    """One SMTP reply (RFC 5321 section 4.2), its enhanced code apart where it has one (RFC 2034, RFC 3463)."""

    code: int
    enhanced_code: str | None
    text: str  # lines joined by "\n", without codes


class Tls(msgspec.Struct, frozen=True, gc=False):
    """The session's protection as it was negotiated."""

    version: str
    cipher: str
    verified: bool


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The result for one recipient of one transaction."""

    fate: Fate
    stage: Stage
    reply: Reply | None  # None where no reply came
    text: str  # the reply's text, or what happened instead, in words
