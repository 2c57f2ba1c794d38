"""Authentication (RFC 4954): one mechanism is chosen and tried once, since repeated failures lock accounts."""

import base64
import hmac
from collections.abc import Generator

from scramp import ScramClient, ScramException

from mailsvc.domain.relay import Relay

__all__ = ["CHALLENGE", "AuthImpossible", "choose", "dialogue", "initial", "require_proof"]

CHALLENGE = 334

# Strongest first; CRAM-MD5 proves nothing about the server, so over TLS it comes last.
_PASSWORD = ("SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5")
_TOKEN = ("OAUTHBEARER", "XOAUTH2")

Dialogue = Generator[bytes, bytes, None]


class AuthImpossible(Exception):
    """The relay offers nothing that these credentials can be used with."""


def choose(relay: Relay, offered: frozenset[str]) -> str:
    """The mechanism to use.

    Raises:
        AuthImpossible: the configured one, or every one that fits, is not offered.
    """
    if relay.auth != "auto":
        wanted: tuple[str, ...] = (relay.auth.upper(),)
    else:
        wanted = _TOKEN if relay.access_token and not relay.password else _PASSWORD
    for mechanism in wanted:
        if mechanism in offered:
            return mechanism
    raise AuthImpossible(f"the relay offers {', '.join(sorted(offered)) or 'no AUTH'}, needed is {' or '.join(wanted)}")


def dialogue(mechanism: str, relay: Relay) -> Dialogue:
    """The client's side: yields what to send (the first with AUTH), is sent the server's decoded challenges."""
    user, secret = relay.username or "", relay.password or ""
    token = relay.access_token or secret
    if mechanism == "PLAIN":
        return _once(f"\0{user}\0{secret}".encode())
    if mechanism == "LOGIN":
        return _login(user, secret)
    if mechanism == "CRAM-MD5":
        return _cram_md5(user, secret)
    if mechanism == "SCRAM-SHA-256":
        return _scram(user, secret)
    if mechanism == "XOAUTH2":
        return _bearer(f"user={user}\x01auth=Bearer {token}\x01\x01".encode(), b"")
    return _bearer(
        f"n,a={user},\x01host={relay.host}\x01port={relay.port}\x01auth=Bearer {token}\x01\x01".encode(), b"\x01"
    )


def initial(mechanism: str, first: bytes) -> bytes:
    """The AUTH command; an empty initial response is left out (LOGIN, CRAM-MD5)."""
    return f"AUTH {mechanism}".encode() + (b" " + base64.b64encode(first) if first else b"") + b"\r\n"


def require_proof(mechanism: str, challenges: int) -> None:
    """Raises AuthImpossible where the relay let us in without having proven that it knows the password (RFC 5802)."""
    if mechanism == "SCRAM-SHA-256" and challenges < 2:
        raise AuthImpossible("the relay did not prove that it knows the password, as SCRAM-SHA-256 asks")


def _once(response: bytes) -> Dialogue:
    yield response


def _login(user: str, secret: str) -> Dialogue:
    yield b""
    yield user.encode()
    yield secret.encode()


def _cram_md5(user: str, secret: str) -> Dialogue:
    challenge = yield b""
    yield f"{user} {hmac.new(secret.encode(), challenge, 'md5').hexdigest()}".encode()


def _scram(user: str, secret: str) -> Dialogue:
    client = ScramClient(["SCRAM-SHA-256"], user, secret)
    try:
        challenge = yield client.get_client_first().encode()
        client.set_server_first(challenge.decode())
        signature = yield client.get_client_final().encode()
        client.set_server_final(signature.decode())
    except (ScramException, UnicodeDecodeError) as error:
        raise AuthImpossible(f"SCRAM-SHA-256 failed: {error}") from error
    yield b""


def _bearer(response: bytes, acknowledgement: bytes) -> Dialogue:
    yield response
    yield acknowledgement  # to the error that comes as a challenge, before the refusal itself
