"""The result of one SMTP transaction for one recipient, as delivery passes it to the recorder."""

from enum import StrEnum

import msgspec


class Stage(StrEnum):
    """The stage of the session (contract: the ``stage`` of an attempt)."""

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
    """The effect of a transaction's result on one recipient."""

    SENT = "sent"  # 2xx to the final dot, with this recipient accepted
    BOUNCED = "bounced"  # a permanent refusal of this recipient or of the message
    DEFERRED = "deferred"  # not delivered, worth another try; counts as an attempt
    UNTRIED = "untried"  # certainly not delivered, and not the message's fault; does not count as an attempt
    UNCERTAIN = "uncertain"  # the final dot was sent and no reply came (RFC 1047)


class Reply(msgspec.Struct, frozen=True, gc=False):
    """One SMTP reply (RFC 5321 section 4.2), with its enhanced code separate if it has one (RFC 2034, RFC 3463)."""

    code: int
    enhanced_code: str | None
    text: str  # lines joined by "\n", without codes


class Tls(msgspec.Struct, frozen=True, gc=False):
    """The negotiated TLS of a session."""

    version: str
    cipher: str
    verified: bool


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The result for one recipient of one transaction."""

    fate: Fate
    stage: Stage
    reply: Reply | None  # None if no reply came
    text: str  # the reply's text, or a description of what happened instead
