"""Logging in: one way is chosen and tried once, since repeated refusals lock accounts (RFC 4422, 4616, 7628)."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mailsvc.mailaccess.account import Credentials, Server
from mailsvc.mailaccess.errors import AuthRefused, MailAccessError, NotSupported, Stage, UnsendableArgument, readable

__all__ = ["Exchange", "Secrets", "choose", "hiding_secrets", "require_sendable", "without_secrets"]

TELLING = 16  # characters at the beginning of a secret, by which it is recognised

_TOKEN = ("OAUTHBEARER", "XOAUTH2")


def choose(credentials: Credentials, offered: frozenset[str], *, command: str) -> str:
    """The mechanism of SASL to use, or the command.

    Args:
        offered: mechanisms; the command among them, where it is allowed.
        command: the protocol's own way to log in with a password.

    Raises:
        NotSupported: the server offers nothing that these credentials can be used with.
    """
    wanted = (credentials.auth.upper(),) if credentials.auth != "auto" else _fitting(credentials, command)
    for mechanism in wanted:
        if mechanism in offered:
            return mechanism
    said = ", ".join(sorted(offered)) or "no login"
    raise NotSupported(Stage.LOGIN, f"the server offers {said}; needed is {' or '.join(wanted)}")


def _fitting(credentials: Credentials, command: str) -> tuple[str, ...]:
    return _TOKEN if credentials.access_token is not None else ("PLAIN", command)


class Exchange:
    """The client's side of one AUTH (RFC 5034) or AUTHENTICATE (RFC 9051 section 6.2.2).

    The first response is not sent with the command: not every server takes it there, and POP3's lines end at 255 bytes.
    """

    def __init__(self, mechanism: str, credentials: Credentials, server: Server) -> None:
        self.mechanism = mechanism
        self.oauth_error: str | None = None
        self._response = base64.b64encode(_response(mechanism, credentials, server))
        self._is_said = False

    @property
    def secret(self) -> str:
        """What must be shown to nobody."""
        return self._response.decode()

    def answer(self, challenge: bytes) -> bytes:
        """The line that answers a challenge, without its end.

        Raises:
            AuthRefused: the server asks for more than the mechanism has.
        """
        if not self._is_said:
            self._is_said = True
            return self._response
        if self.mechanism not in _TOKEN or self.oauth_error is not None:
            raise AuthRefused(Stage.LOGIN, f"the server asks for more than {self.mechanism} has")
        self.oauth_error = _decoded(challenge)
        # The refusal itself comes only after an answer (RFC 7628 section 3.2.3; XOAUTH2 has an empty one).
        return b"AQ==" if self.mechanism == "OAUTHBEARER" else b""


def require_sendable(stage: Stage, keyword: str, argument: str) -> None:
    """Raises UnsendableArgument; in SASL a NUL would shift what is a name and what a password (RFC 4616 section 2)."""
    if any(char in argument for char in "\r\n\0"):
        raise UnsendableArgument(stage, f"the argument of {keyword} has a line break or a NUL")
    if any("\ud800" <= char <= "\udfff" for char in argument):
        raise UnsendableArgument(stage, f"the argument of {keyword} has half a character (a lone surrogate)")


def _response(mechanism: str, credentials: Credentials, server: Server) -> bytes:
    user = credentials.username
    secret = credentials.password if mechanism == "PLAIN" else credentials.access_token
    for argument in (user, secret or ""):
        require_sendable(Stage.LOGIN, mechanism, argument)
    if mechanism == "PLAIN":
        return f"\0{user}\0{secret or ''}".encode()
    if "\x01" in user or "\x01" in (secret or ""):
        raise UnsendableArgument(Stage.LOGIN, f"the argument of {mechanism} has the byte that separates its fields")
    bearer = f"auth=Bearer {secret or ''}\x01\x01"
    if mechanism == "XOAUTH2":
        return f"user={user}\x01{bearer}".encode()
    name = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
    return f"n,a={name},\x01host={server.host}\x01port={server.port}\x01{bearer}".encode()


def _decoded(challenge: bytes) -> str:
    try:
        return readable(base64.b64decode(challenge, validate=True))
    except binascii.Error:
        return readable(challenge)


class Secrets:
    """What a login must show to nobody, even where the server repeats it."""

    def __init__(self, credentials: Credentials) -> None:
        self._secrets = [credentials.password or "", credentials.access_token or ""]

    def add(self, exchange: Exchange) -> None:
        """The exchange's first response holds a secret, encoded."""
        self._secrets.append(exchange.secret)

    def hidden_in(self, text: str) -> str:
        """A server's words without what it repeats of ours."""
        return without_secrets(text, self._secrets)


@contextmanager
def hiding_secrets(credentials: Credentials) -> Iterator[Secrets]:
    """A MailAccessError that is raised within has no secret in its text."""
    secrets = Secrets(credentials)
    try:
        yield secrets
    except MailAccessError as error:
        error.text = secrets.hidden_in(error.text)
        raise


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A server's words without what it repeats of ours, as some do that take PASS for an unknown command."""
    for secret in secrets:
        # A long one may have been cut off at its end: its beginning tells enough.
        at = text.find(readable(secret[:TELLING].encode("utf-8", "replace"))) if secret else -1
        if at >= 0:
            text = text[:at] + "********"
    return text
