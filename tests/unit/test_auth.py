"""AUTH: which mechanism is chosen, and each one's dialogue with a server that checks it."""

import base64
import hmac
from collections.abc import Sequence
from typing import Any

import pytest

from mailsvc.domain.relay import Relay
from mailsvc.smtp import auth
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
def test_a_token_is_sent_by_a_token_mechanism(offered: Sequence[str], chosen: str) -> None:
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
def test_no_login_is_tried_without_a_common_mechanism(given: dict[str, Any], offered: set[str]) -> None:
    """The error names what is offered and what is needed."""
    with pytest.raises(auth.AuthImpossible, match="needed is"):
        auth.choose(account(**given), frozenset(offered))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_the_right_password_is_accepted(mechanism: str) -> None:
    """Also one with a colon, a blank and a letter beyond ASCII."""
    assert admitted(mechanism, account()) == USER


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_the_wrong_password_is_rejected(mechanism: str) -> None:
    """The test's server would notice."""
    assert admitted(mechanism, account(password="guess")) is None


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_the_right_token_is_accepted(mechanism: str) -> None:
    """RFC 7628, and Google's older form."""
    assert admitted(mechanism, account(password=None, access_token=TOKEN)) == USER


@pytest.mark.parametrize(("mechanism", "acknowledgement"), [("XOAUTH2", b""), ("OAUTHBEARER", b"\x01")])
def test_the_error_challenge_after_a_rejected_token_is_acknowledged(mechanism: str, acknowledgement: bytes) -> None:
    """It comes as a challenge; only after our answer the refusal itself does (RFC 7628 section 3.2.3)."""
    talk = auth.dialogue(mechanism, account(password=None, access_token="stale"))
    next(talk)

    assert talk.send(b'{"status":"401"}') == acknowledgement


def test_cram_md5_answers_the_example_of_its_rfc() -> None:
    """RFC 2195 section 2."""
    talk = auth.dialogue("CRAM-MD5", account(username="tim", password="tanstaaftanstaaf"))
    assert next(talk) == b""

    assert talk.send(b"<1896.697170952@postoffice.reston.mci.net>") == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_scram_rejects_a_server_that_does_not_know_the_password() -> None:
    """Its proof is wrong: somebody else answers."""
    talk, judge = auth.dialogue("SCRAM-SHA-256", account()), Judge("SCRAM-SHA-256")
    challenge = judge.challenge(next(talk))
    assert challenge is not None
    talk.send(challenge)
    forged = b"v=" + base64.b64encode(hmac.digest(b"?", b"?", "sha256"))

    with pytest.raises(auth.AuthImpossible):
        talk.send(forged)


@pytest.mark.parametrize("challenge", [b"", b"\xff", b"r=short,s=AAAA,i=1", b"nonsense"])
def test_scram_rejects_malformed_challenges(challenge: bytes) -> None:
    """Whatever the server says, it ends in words."""
    talk = auth.dialogue("SCRAM-SHA-256", account())
    next(talk)

    with pytest.raises(auth.AuthImpossible):
        talk.send(challenge)


def test_scram_requires_the_server_signature() -> None:
    """A server that admits us without one has proven nothing."""
    exchange, judge = auth.Exchange("SCRAM-SHA-256", account()), Judge("SCRAM-SHA-256")
    challenge = judge.challenge(base64.b64decode(exchange.begin().split()[2]))
    exchange.answer(base64.b64encode(challenge or b"").decode())

    with pytest.raises(auth.AuthImpossible, match="prove"):
        exchange.require_proof()
    auth.Exchange("PLAIN", account()).require_proof()


@pytest.mark.parametrize("iterations", ["100001", "10000000", "0", "-1", "9" * 400])
def test_scram_bounds_the_iteration_count(iterations: str) -> None:
    """Ten million iterations would keep a processor busy for seconds at every login."""
    talk = auth.dialogue("SCRAM-SHA-256", account())
    nonce = next(talk).decode().rpartition("r=")[2]

    with pytest.raises(auth.AuthImpossible, match="iterations"):
        talk.send(f"r={nonce}x,s=AAAA,i={iterations}".encode())


def test_the_command_carries_the_first_response() -> None:
    """RFC 4954 section 4; mechanisms where the server begins have none."""
    assert auth.Exchange("PLAIN", account()).begin().startswith(b"AUTH PLAIN ")
    assert auth.Exchange("LOGIN", account()).begin() == b"AUTH LOGIN\r\n"


def test_a_response_too_long_for_the_command_waits_for_the_challenge() -> None:
    """RFC 4954 section 4: the command line has 512 octets, and tokens have thousands."""
    exchange = auth.Exchange("XOAUTH2", account(password=None, access_token="t" * 2000))

    assert exchange.begin() == b"AUTH XOAUTH2\r\n"
    assert b"Bearer " + b"t" * 2000 in base64.b64decode(exchange.answer(""))


def test_the_longest_command_has_512_octets() -> None:
    """With CRLF, as RFC 5321 section 4.5.3.1.4 counts."""
    lengths = {len(auth.Exchange("PLAIN", account(password="p" * n)).begin()) for n in range(300, 420)}

    assert max(lengths) <= 512
    assert len(b"AUTH PLAIN\r\n") in lengths


@pytest.mark.parametrize("mechanism", ["PLAIN", "XOAUTH2", "OAUTHBEARER"])
def test_an_empty_challenge_gets_the_first_response_again(mechanism: str) -> None:
    """Some servers pass over what came with the command."""
    exchange = auth.Exchange(mechanism, account(access_token="t"))
    said = exchange.begin().split()[2]

    assert exchange.answer("") == said + b"\r\n"


@pytest.mark.parametrize(
    "prompts", [("VXNlcm5hbWU6", "UGFzc3dvcmQ6"), ("Username:", "Password:"), ("", ""), ("é", "!!")]
)
def test_login_answers_any_two_prompts(prompts: tuple[str, str]) -> None:
    """They are said in any words, and not always in base64."""
    exchange = auth.Exchange("LOGIN", account())
    exchange.begin()

    assert [base64.b64decode(exchange.answer(prompt)).decode() for prompt in prompts] == [USER, PASSWORD]
    with pytest.raises(auth.AuthImpossible, match="more than LOGIN has"):
        exchange.answer("")


@pytest.mark.parametrize("challenge", ["!!!", "é", "A", "=", "\N{REPLACEMENT CHARACTER}"])
@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "SCRAM-SHA-256"])
def test_a_challenge_that_is_not_base64_is_reported_clearly(mechanism: str, challenge: str) -> None:
    """Never in those of an exception of Python's."""
    exchange = auth.Exchange(mechanism, account())
    exchange.begin()

    with pytest.raises(auth.AuthImpossible, match=r"not in base64|iterations"):
        exchange.answer(challenge)
