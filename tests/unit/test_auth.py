"""AUTH: which mechanism is chosen, and each one's dialogue with a server that checks it."""

import base64
import hmac
from collections.abc import Sequence
from typing import Any

import pytest

from mailsvc.delivery import auth
from mailsvc.domain.relay import Relay
from tests.support.sasl import PASSWORD, TOKEN, USER, Judge

ALL = frozenset({"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "NTLM"})


def account(**given: Any) -> Relay:
    return Relay(
        **{"id": "rly_1", "name": "acme", "host": "relay.test", "username": USER, "password": PASSWORD, **given}
    )


def admitted(mechanism: str, relay: Relay) -> str | None:
    """Whom the server takes us for after the dialogue."""
    judge, talk = Judge(mechanism), auth.dialogue(mechanism, relay)
    first = next(talk)
    challenge = judge.challenge(first or None)
    while challenge is not None:
        challenge = judge.challenge(talk.send(challenge))
    return judge.user


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (ALL, "SCRAM-SHA-256"),
        (ALL - {"SCRAM-SHA-256"}, "PLAIN"),
        ({"LOGIN", "CRAM-MD5"}, "LOGIN"),
        ({"CRAM-MD5", "NTLM"}, "CRAM-MD5"),
    ],
)
def test_the_strongest_mechanism_for_a_password_is_chosen(offered: Sequence[str], chosen: str) -> None:
    """One only: repeated refusals lock accounts."""
    assert auth.choose(account(), frozenset(offered)) == chosen


@pytest.mark.parametrize(("offered", "chosen"), [(ALL, "OAUTHBEARER"), ({"PLAIN", "XOAUTH2"}, "XOAUTH2")])
def test_a_token_is_used_as_a_token(offered: Sequence[str], chosen: str) -> None:
    """It must never go out as a password."""
    assert auth.choose(account(password=None, access_token=TOKEN), frozenset(offered)) == chosen


def test_the_configured_mechanism_is_used() -> None:
    """Whatever else is offered."""
    assert auth.choose(account(auth="login"), ALL) == "LOGIN"


@pytest.mark.parametrize(
    ("given", "offered"),
    [
        ({}, {"NTLM"}),
        ({}, set()),
        ({"auth": "cram-md5"}, {"PLAIN"}),
        ({"password": None, "access_token": "t"}, {"PLAIN"}),
    ],
)
def test_without_a_fitting_mechanism_nothing_is_tried(given: dict[str, Any], offered: set[str]) -> None:
    """The error names what is offered and what is needed."""
    with pytest.raises(auth.AuthImpossible, match="needed is"):
        auth.choose(account(**given), frozenset(offered))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_the_right_password_is_admitted(mechanism: str) -> None:
    """Also one with a colon, a blank and a letter beyond ASCII."""
    assert admitted(mechanism, account()) == USER


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_the_wrong_password_is_not(mechanism: str) -> None:
    """The test's server would notice."""
    assert admitted(mechanism, account(password="guess")) is None


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_the_right_token_is_admitted(mechanism: str) -> None:
    """RFC 7628, and Google's older form."""
    assert admitted(mechanism, account(password=None, access_token=TOKEN)) == USER


@pytest.mark.parametrize(("mechanism", "acknowledgement"), [("XOAUTH2", b""), ("OAUTHBEARER", b"\x01")])
def test_the_error_of_a_refused_token_is_acknowledged(mechanism: str, acknowledgement: bytes) -> None:
    """It comes as a challenge; only after our answer the refusal itself does (RFC 7628 section 3.2.3)."""
    talk = auth.dialogue(mechanism, account(password=None, access_token="stale"))
    next(talk)

    assert talk.send(b'{"status":"401"}') == acknowledgement


def test_cram_md5_answers_the_example_of_its_rfc() -> None:
    """RFC 2195 section 2."""
    talk = auth.dialogue("CRAM-MD5", account(username="tim", password="tanstaaftanstaaf"))
    assert next(talk) == b""

    assert talk.send(b"<1896.697170952@postoffice.reston.mci.net>") == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_scram_refuses_a_server_that_does_not_know_the_password() -> None:
    """Its proof is wrong: somebody else answers."""
    talk, judge = auth.dialogue("SCRAM-SHA-256", account()), Judge("SCRAM-SHA-256")
    challenge = judge.challenge(next(talk))
    assert challenge is not None
    talk.send(challenge)
    forged = b"v=" + base64.b64encode(hmac.digest(b"?", b"?", "sha256"))

    with pytest.raises(auth.AuthImpossible):
        talk.send(forged)


@pytest.mark.parametrize("challenge", [b"", b"\xff", b"r=short,s=AAAA,i=1", b"nonsense"])
def test_scram_survives_nonsense(challenge: bytes) -> None:
    """Whatever the server says, it ends in words."""
    talk = auth.dialogue("SCRAM-SHA-256", account())
    next(talk)

    with pytest.raises(auth.AuthImpossible):
        talk.send(challenge)


def test_scram_asks_for_the_servers_proof() -> None:
    """A server that admits us without one has proven nothing."""
    with pytest.raises(auth.AuthImpossible, match="prove"):
        auth.require_proof("SCRAM-SHA-256", 1)
    auth.require_proof("SCRAM-SHA-256", 2)
    auth.require_proof("PLAIN", 0)


def test_the_command_carries_the_initial_response() -> None:
    """RFC 4954 section 4; mechanisms where the server begins have none."""
    assert auth.initial("PLAIN", b"\0u\0p") == b"AUTH PLAIN AHUAcA==\r\n"
    assert auth.initial("LOGIN", b"") == b"AUTH LOGIN\r\n"
