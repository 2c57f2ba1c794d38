"""The server's side of an SMTP session (RFC 5321, RFC 6409), without I/O: from lines to replies."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

__all__ = ["MOST_BYTES", "Dialogue", "Envelope", "Policy", "Then"]

MOST_BYTES = 26_214_400
MOST_FAILURES = 3

_PATH = re.compile(rb"<([^<>\r\n]*)>(.*)", re.DOTALL)
_EXTENSIONS = (
    b"PIPELINING",
    f"SIZE {MOST_BYTES}".encode(),
    b"8BITMIME",
    b"SMTPUTF8",
    b"DSN",
    b"ENHANCEDSTATUSCODES",
)


@dataclass(slots=True)
class Envelope:
    """One received transaction.

    Attributes:
        envid, ret: as given with MAIL (RFC 3461 sections 4.3, 4.4), in xtext.
        originals: by recipient, the ORCPT that was given with it (section 4.2), in xtext.
        notify: by recipient, the NOTIFY that was given with it (section 4.1), in upper case.
    """

    sender: str
    envid: str | None = None
    ret: str | None = None
    recipients: list[str] = field(default_factory=list)
    originals: dict[str, str] = field(default_factory=dict)
    notify: dict[str, str] = field(default_factory=dict)


class Policy(Protocol):
    """Decides on logins, recipients and messages."""

    def authenticate(self, user: str, password: str) -> bool: ...
    def rcpt(self, envelope: Envelope, recipient: str) -> bytes | None:
        """A refusing reply without CRLF, or None to take the recipient."""

    def message(self, envelope: Envelope, content: bytes) -> bytes:
        """The reply to the final dot, without CRLF; the content is dot-unstuffed."""


class Then(Enum):
    """What the connection does after the reply."""

    GO_ON = "read the next line"
    CONTENT = "read content to the final dot"
    START_TLS = "begin the TLS handshake"
    CLOSE = "close"


Answer = tuple[bytes, Then]


class Dialogue:
    """One session.

    Args:
        requires_auth: refuse MAIL before AUTH, and AUTH before STARTTLS.
    """

    def __init__(self, policy: Policy, name: str, *, requires_auth: bool) -> None:
        self._policy, self._name, self._requires_auth = policy, name, requires_auth
        self._line_handler: Callable[[bytes], Answer] = self._command
        self._is_tls = False
        self._is_known = not requires_auth
        self._failures = 0
        self._envelope: Envelope | None = None

    def line(self, line: bytes) -> Answer:
        """The reply to a line, both without CRLF."""
        return self._line_handler(line)

    def content(self, content: bytes) -> bytes:
        """The reply to the final dot."""
        envelope, self._envelope = self._envelope, None
        assert envelope is not None
        return self._policy.message(envelope, content)

    def protected(self) -> None:
        """TLS has begun: nothing that came before it is believed (RFC 3207 section 4.2)."""
        self._is_tls, self._is_known, self._envelope = True, not self._requires_auth, None

    def _command(self, line: bytes) -> Answer:
        verb, _, rest = line.partition(b" ")
        match verb.upper():
            case b"STARTTLS":
                return (
                    (b"503 5.5.1 TLS is already on", Then.GO_ON)
                    if self._is_tls
                    else (b"220 2.0.0 go ahead", Then.START_TLS)
                )
            case b"AUTH":
                return self._auth(rest.strip())
            case b"DATA":
                return self._data()
            case b"QUIT":
                return b"221 2.0.0 bye", Then.CLOSE
            case other:
                return self._simple_command(other, rest.strip()), Then.GO_ON

    def _simple_command(self, verb: bytes, rest: bytes) -> bytes:
        match verb:
            case b"EHLO":
                return self._ehlo()
            case b"MAIL":
                return self._mail(rest)
            case b"RCPT":
                return self._rcpt(rest)
            case b"RSET":
                self._envelope = None
                return b"250 2.0.0 ok"
            case b"HELO" | b"NOOP":
                return b"250 2.0.0 ok"
        return b"500 5.5.1 unknown command"

    def _ehlo(self) -> bytes:
        self._envelope = None
        lines = [self._name.encode(), *_EXTENSIONS, b"AUTH PLAIN LOGIN" if self._is_tls else b"STARTTLS"]
        return b"\r\n".join(b"250" + (b" " if line is lines[-1] else b"-") + line for line in lines)

    # AUTH (RFC 4954)

    def _auth(self, rest: bytes) -> Answer:
        mechanism, _, initial = rest.partition(b" ")
        if not self._is_tls:
            return b"538 5.7.11 encryption required", Then.GO_ON
        if mechanism.upper() == b"PLAIN":
            self._line_handler = self._plain
            return self._plain(initial) if initial else (b"334 ", Then.GO_ON)
        if mechanism.upper() == b"LOGIN":
            self._line_handler = self._login_user
            return self._login_user(initial) if initial else (b"334 VXNlcm5hbWU6", Then.GO_ON)
        return b"504 5.5.4 unknown mechanism", Then.GO_ON

    def _plain(self, line: bytes) -> Answer:
        parts = _decoded(line).split("\0")
        return self._judge(parts[1], parts[2]) if len(parts) == 3 else self._judge("", "")

    def _login_user(self, line: bytes) -> Answer:
        user = _decoded(line)
        self._line_handler = lambda password: self._judge(user, _decoded(password))
        return b"334 UGFzc3dvcmQ6", Then.GO_ON

    def _judge(self, user: str, password: str) -> Answer:
        self._line_handler = self._command
        if self._policy.authenticate(user, password):
            self._is_known = True
            return b"235 2.7.0 welcome", Then.GO_ON
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            return b"421 4.7.0 too many failures", Then.CLOSE
        return b"535 5.7.8 wrong user or password", Then.GO_ON

    # The transaction

    def _mail(self, rest: bytes) -> bytes:
        if not self._is_known:
            return b"530 5.7.0 authenticate first" if self._is_tls else b"530 5.7.0 issue STARTTLS first"
        if self._envelope is not None:
            return b"503 5.5.1 one transaction at a time"
        match = _PATH.match(rest[5:].strip()) if rest[:5].upper() == b"FROM:" else None
        if match is None:
            return b"501 5.5.4 MAIL FROM:<address>"
        given = _parameters(match[2])
        size = given.get("SIZE", "")
        if size.isdigit() and int(size) > MOST_BYTES:
            return b"552 5.3.4 message too large"
        self._envelope = Envelope(match[1].decode("utf-8", "replace"), given.get("ENVID"), given.get("RET"))
        return b"250 2.1.0 ok"

    def _rcpt(self, rest: bytes) -> bytes:
        if self._envelope is None:
            return b"503 5.5.1 MAIL first"
        match = _PATH.match(rest[3:].strip()) if rest[:3].upper() == b"TO:" else None
        if match is None or b"@" not in match[1]:
            return b"501 5.1.3 RCPT TO:<address>"
        recipient = match[1].decode("utf-8", "replace")
        refusal = self._policy.rcpt(self._envelope, recipient)
        if refusal is None:
            self._add(self._envelope, recipient, _parameters(match[2]))
        return refusal or b"250 2.1.5 ok"

    def _add(self, envelope: Envelope, recipient: str, given: dict[str, str]) -> None:
        envelope.recipients.append(recipient)
        if original := given.get("ORCPT"):
            envelope.originals[recipient] = original
        if notify := given.get("NOTIFY"):
            envelope.notify[recipient] = notify.upper()

    def _data(self) -> Answer:
        if self._envelope is None or not self._envelope.recipients:
            return b"554 5.5.1 no valid recipients", Then.GO_ON
        return b"354 end with <CRLF>.<CRLF>", Then.CONTENT


def _parameters(words: bytes) -> dict[str, str]:
    """The parameters behind an address, by their names in upper case."""
    pairs = (word.partition(b"=") for word in words.split())
    return {name.decode("ascii", "replace").upper(): value.decode("ascii", "replace") for name, _, value in pairs}


def _decoded(line: bytes) -> str:
    try:
        return base64.b64decode(line, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
