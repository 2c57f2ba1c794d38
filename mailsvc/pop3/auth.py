"""Logging in: one way is chosen and tried once, since repeated refusals lock accounts."""

import base64
import binascii
from collections.abc import Iterable

from mailsvc.pop3.account import Credentials, Server
from mailsvc.pop3.capabilities import Capabilities
from mailsvc.pop3.commands import require_sendable
from mailsvc.pop3.errors import AuthRefused, NotSupported, Stage, UnsendableArgument, readable

__all__ = ["USER", "Exchange", "choose", "without_secrets"]

USER = "USER"  # the commands USER and PASS (RFC 1939 section 7), no mechanism of SASL

TELLING = 16  # characters at the beginning of a secret, by which it is recognised

_TOKEN = ("OAUTHBEARER", "XOAUTH2")
_PASSWORD = ("PLAIN", USER)


def choose(credentials: Credentials, capabilities: Capabilities | None) -> str:
    """The mechanism of SASL to use, or USER.

    Raises:
        NotSupported: the server offers nothing that these credentials can be used with.
    """
    wanted = (credentials.auth.upper(),) if credentials.auth != "auto" else _fitting(credentials)
    offered = _offered(capabilities)
    for mechanism in wanted:
        if mechanism in offered:
            return mechanism
    said = ", ".join(sorted(offered)) or "no login"
    raise NotSupported(Stage.LOGIN, f"the server offers {said}; needed is {' or '.join(wanted)}")


def _fitting(credentials: Credentials) -> tuple[str, ...]:
    return _TOKEN if credentials.access_token is not None else _PASSWORD


def _offered(capabilities: Capabilities | None) -> frozenset[str]:
    if capabilities is None:
        return frozenset({USER})  # a server that is older than CAPA
    return capabilities.mechanisms | ({USER} if USER in capabilities else frozenset())


class Exchange:
    """The client's side of one AUTH (RFC 5034).

    The first response is not sent with the command: RFC 1734 knows no such thing, and lines end at 255 bytes.
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
        """The line that answers a challenge.

        Raises:
            AuthRefused: the server asks for more than the mechanism has.
        """
        if not self._is_said:
            self._is_said = True
            return self._response + b"\r\n"
        if self.mechanism not in _TOKEN or self.oauth_error is not None:
            raise AuthRefused(Stage.LOGIN, f"the server asks for more than {self.mechanism} has")
        self.oauth_error = _decoded(challenge)
        # The refusal itself comes only after an answer (RFC 7628 section 3.2.3; XOAUTH2 has an empty one).
        return b"AQ==\r\n" if self.mechanism == "OAUTHBEARER" else b"\r\n"


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


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A server's words without what it repeats of ours, as some do that take PASS for an unknown command."""
    for secret in secrets:
        # A long one may have been cut off at its end: its beginning tells enough.
        at = text.find(readable(secret[:TELLING].encode("utf-8", "replace"))) if secret else -1
        if at >= 0:
            text = text[:at] + "********"
    return text
