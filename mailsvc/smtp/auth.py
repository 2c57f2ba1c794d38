"""Authentication (RFC 4954): one mechanism is chosen and tried once, since repeated failures lock accounts."""

import base64
import hmac
import re
from collections.abc import Generator

from mailsvc.domain.relay import Relay

__all__ = ["CHALLENGE", "AuthImpossible", "Exchange", "choose", "dialogue"]

CHALLENGE = 334
LONGEST_COMMAND = 512  # octets, with CRLF (RFC 5321 section 4.5.3.1.4)
MOST_ITERATIONS = 100_000  # of SCRAM: more would keep a processor busy for seconds at every login

# Strongest first; CRAM-MD5 proves nothing about the server, so over TLS it comes last.
_PASSWORD = ("SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5")
_TOKEN = ("OAUTHBEARER", "XOAUTH2")

_ITERATIONS = re.compile(rb"(?:^|,)i=(\d+)(?:,|$)")

Dialogue = Generator[bytes, bytes, None]


class AuthImpossible(Exception):
    """The relay offers no mechanism for these credentials."""


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


class Exchange:
    """The client's side of one AUTH: lines to send, made from the challenges that come."""

    def __init__(self, mechanism: str, relay: Relay) -> None:
        self._mechanism = mechanism
        self._dialogue = dialogue(mechanism, relay)
        self._first = next(self._dialogue)
        self._challenges = 0
        self._is_said = False  # the first response
        self.is_costly = mechanism.startswith("SCRAM")  # a good part of a second, which must not stop other sessions

    def begin(self) -> bytes:
        """The AUTH command, with the first response where there is one and the line is not too long (RFC 4954 section 4)."""
        command = f"AUTH {self._mechanism}".encode()
        if not self._first:
            return command + b"\r\n"
        whole = b"%b %b\r\n" % (command, base64.b64encode(self._first))
        self._is_said = len(whole) <= LONGEST_COMMAND
        return whole if self._is_said else command + b"\r\n"

    def answer(self, challenge: str) -> bytes:
        """The line that answers a challenge.

        Raises:
            AuthImpossible: there is nothing to be answered.
        """
        self._challenges += 1
        if self._challenges == 1 and self._first and (not self._is_said or not challenge.strip()):
            # It waits for the first response, which either was too long for the command or was passed over there.
            return base64.b64encode(self._first) + b"\r\n"
        try:
            return base64.b64encode(self._dialogue.send(self._decoded(challenge))) + b"\r\n"
        except StopIteration:
            raise AuthImpossible(f"the relay asks for more than {self._mechanism} has") from None

    def require_proof(self) -> None:
        """Raises AuthImpossible where the relay let us in without having proven that it knows the password (RFC 5802)."""
        if self._mechanism == "SCRAM-SHA-256" and self._challenges < 2:
            raise AuthImpossible("the relay did not prove that it knows the password, as SCRAM-SHA-256 asks")

    def _decoded(self, challenge: str) -> bytes:
        if self._mechanism == "LOGIN":
            return b""  # its two prompts are said in any words, and not always in base64
        try:
            return base64.b64decode(challenge, validate=True)
        except ValueError:
            raise AuthImpossible(f"the relay's challenge is not in base64, as {self._mechanism} asks") from None


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
    from scramp import ScramClient, ScramException  # noqa: PLC0415 - six megabytes, and few relays want it

    client = ScramClient(["SCRAM-SHA-256"], user, secret)
    try:
        challenge = yield client.get_client_first().encode()
        _bound_iterations(challenge)
        client.set_server_first(challenge.decode())
        signature = yield client.get_client_final().encode()
        client.set_server_final(signature.decode())
    except (ScramException, ValueError, LookupError) as error:
        raise AuthImpossible(
            "the relay's side of SCRAM-SHA-256 is not in order, or it does not know the password"
        ) from error
    yield b""


def _bound_iterations(challenge: bytes) -> None:
    count = _ITERATIONS.search(challenge)
    if count is None or len(count[1]) > 9 or not 1 <= int(count[1]) <= MOST_ITERATIONS:
        raise AuthImpossible(
            f"the relay's SCRAM-SHA-256 must ask for 1 to {MOST_ITERATIONS} iterations; use another mechanism"
        )


def _bearer(response: bytes, acknowledgement: bytes) -> Dialogue:
    yield response
    yield acknowledgement  # to the error that comes as a challenge, before the refusal itself
