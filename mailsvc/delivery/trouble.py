"""Whose fault is it? The one place that sorts failures, as Postfix's smtp_trouble.c does.

| trouble                                                          | whose           | consequence                         |
| ---------------------------------------------------------------- | --------------- | ----------------------------------- |
| DNS, connect, TLS, greeting, EHLO, AUTH refused (any code), 421  | the relay's     | ``RelayTrouble``; nothing is charged |
| a reused connection is found dead                                | nobody's        | ``stale``; another one is opened    |
| 4xx to MAIL, DATA or dot; lost or silent before the dot          | the message's   | DEFERRED                            |
| 5xx to MAIL, DATA or dot                                         | the message's   | BOUNCED                             |
| 4xx, 5xx to RCPT                                                 | that recipient's | DEFERRED, BOUNCED                   |
| "too many recipients" after the first                            | nobody's        | UNTRIED; goes in another transaction |
| lost or silent after the dot                                     | nobody knows    | UNCERTAIN (RFC 1047)                |
"""

import socket
import ssl

from mailsvc.domain.attempt import Fate, Reply, Stage

__all__ = ["RelayTrouble", "fate_of", "in_words", "is_too_many"]


class RelayTrouble(Exception):
    """A session that could not be opened, or that the relay ended: the relay's trouble, no message's."""

    def __init__(self, stage: Stage, text: str, *, reply: Reply | None = None) -> None:
        super().__init__(f"{stage.value}: {text}")
        self.stage = stage
        self.reply = reply
        self.text = text

    @property
    def is_auth(self) -> bool:
        """Whether the credentials were refused: trying again soon could lock the account."""
        return self.stage is Stage.AUTH and self.reply is not None and self.reply.code // 100 == 5


def fate_of(stage: Stage, reply: Reply) -> Fate:
    """What a reply at this stage means for those whom it is about."""
    kind = reply.code // 100
    if kind == 2 and stage is Stage.EOM:
        return Fate.SENT
    return Fate.BOUNCED if kind == 5 else Fate.DEFERRED


def is_too_many(reply: Reply, *, accepted: int) -> bool:
    """RFC 5321 section 4.5.3.1.10: 452, by habit also 552, means that these recipients go in another transaction."""
    if reply.enhanced_code is not None and reply.enhanced_code[1:] == ".5.3":
        return True
    return accepted > 0 and reply.code in (452, 552) and reply.enhanced_code is None


def in_words(error: BaseException) -> str:
    """A connection's failure in words that help."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_in_words(error)
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"the host name can't be resolved: {error.strerror}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionError):
        return "connection lost"
    return str(error) or type(error).__name__


def _certificate_in_words(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message
    known = {
        "certificate has expired": "the certificate has expired",
        "self-signed certificate": "the certificate is self-signed, and not trusted here",
        "self-signed certificate in certificate chain": "the certificate comes from a CA that is not trusted here",
        "unable to get local issuer certificate": "the certificate comes from a CA that is not trusted here",
    }
    if "match" in said.lower() and ("host" in said.lower() or "ip address" in said.lower()):
        return f"the certificate is for another name: {said}"
    return known.get(said, f"the certificate can't be verified: {said}")
