"""Tokens from a token endpoint that may misbehave."""

from collections.abc import Iterator
from typing import Any

import pytest

from mailsvc.oauth.errors import GrantRefused, TokenUnavailable
from mailsvc.oauth.exchange import Reach
from mailsvc.oauth.grant import OAuth, endpoints_of
from mailsvc.oauth.tokens import LONGEST_LIFE, SHORTEST_LIFE, USUAL_LIFE, Tokens, renew
from tests.support.certificates import Certificate
from tests.support.tokenserver import CLIENT_SECRET, TokenServer


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer() as made:
        yield made


def renewed(server: TokenServer, reach: Reach | None = None, **given: Any) -> Tokens:
    oauth = OAuth(**server.grant(**given))
    return renew(oauth, endpoints_of(oauth, "smtp"), reach or Reach(seconds=5), refresh_token=oauth.refresh_token)


def test_a_refresh_token_gets_an_access_token_and_the_next_refresh_token(server: TokenServer) -> None:
    oauth = OAuth(**server.grant(scope="mail.send"))
    first = renew(oauth, endpoints_of(oauth, "smtp"), Reach(), refresh_token=oauth.refresh_token)
    second = renew(oauth, endpoints_of(oauth, "smtp"), Reach(), refresh_token=first.refresh_token)

    assert server.is_valid(first.access_token) and server.is_valid(second.access_token)
    assert first.life == 3600 and first.refresh_token not in (None, oauth.refresh_token)
    assert server.requests[0] == {
        "grant_type": "refresh_token",
        "client_id": oauth.client_id,
        "client_secret": CLIENT_SECRET,
        "refresh_token": oauth.refresh_token,
        "scope": "mail.send",
    }


def test_a_public_client_sends_no_secret(server: TokenServer) -> None:
    assert server.is_valid(renewed(server, client_secret=None).access_token)
    assert "client_secret" not in server.requests[0]


def test_client_credentials_get_an_access_token(server: TokenServer) -> None:
    tokens = renewed(server, grant="client_credentials", refresh_token=None)

    assert server.is_valid(tokens.access_token) and tokens.refresh_token is None


@pytest.mark.parametrize("code", ["invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "what"])
def test_a_refusal_is_for_a_person_and_tells_no_secret(server: TokenServer, code: str) -> None:
    """The server repeats the refresh token and the secret in its description."""
    server.moods.append(code)
    with pytest.raises(GrantRefused) as caught:
        renewed(server)

    assert (caught.value.code, caught.value.text.isprintable()) == (code, True)
    assert "refresh-" not in caught.value.text and CLIENT_SECRET not in caught.value.text


@pytest.mark.parametrize(
    ("mood", "said", "wait"),
    [
        ("429", "answered 429", 7.0),
        ("500", "answered 500", None),
        ("404", "answered 404", None),
        ("redirect", "a redirect", None),
        ("temporarily_unavailable", "temporarily_unavailable", None),
        ("close", "127.0.0.1", None),
        ("garbage", "no JSON", None),
        ("huge", "more than 65536 bytes", None),
        ("[]", "no JSON object", None),
        ("[" * 60_000, "no JSON object", None),
        ("{}", "without a usable access token", None),
        ('{"access_token": 7}', "without a usable access token", None),
        ('{"access_token": ""}', "without a usable access token", None),
        ('{"access_token": "a\\r\\nb"}', "without a usable access token", None),
        ('{"access_token": "a", "refresh_token": "\\u0000"}', "without a usable access token", None),
        ('{"access_token": "' + "a" * 20_000 + '"}', "without a usable access token", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_every_other_answer_is_trouble_that_may_pass(
    server: TokenServer, mood: str, said: str, wait: float | None
) -> None:
    server.moods.append(mood)
    with pytest.raises(TokenUnavailable, match=said) as caught:
        renewed(server)

    assert caught.value.wait == wait
    assert len(server.requests) == 1  # a redirect is not followed


@pytest.mark.parametrize(
    ("life", "understood"),
    [
        ("3599", 3599),
        (10.9, SHORTEST_LIFE),
        (-5, SHORTEST_LIFE),
        (1e300, LONGEST_LIFE),
        (float("nan"), USUAL_LIFE),
        (None, USUAL_LIFE),
        ("soon", USUAL_LIFE),
        ([1], USUAL_LIFE),
        (10**400, USUAL_LIFE),
    ],
    ids=str,
)
def test_a_strange_life_is_bounded(server: TokenServer, life: Any, understood: int) -> None:
    server.life = life

    assert renewed(server).life == understood


def test_a_token_without_a_life_has_the_usual_one(server: TokenServer) -> None:
    server.moods.append("bare")

    assert renewed(server).life == USUAL_LIFE


@pytest.mark.parametrize("mood", ["", "drip"])
def test_a_server_that_never_ends_its_answer_is_left(server: TokenServer, mood: str) -> None:
    """Whether it says nothing, or a byte at a time."""
    server.moods.append(mood)
    if not mood:
        server.gate.clear()

    with pytest.raises(TokenUnavailable, match="no answer in time"):
        renewed(server, Reach(seconds=0.5))


def test_tls_trusts_the_given_ca_beside_the_systems() -> None:
    with TokenServer(tls="good") as server:
        assert server.is_valid(renewed(server, Reach(ca_pem=server.ca_pem)).access_token)


@pytest.mark.parametrize("certificate", ["expired", "wrong name", "untrusted", "old"])
def test_no_secret_is_sent_to_a_server_that_is_not_verified(certificate: Certificate) -> None:
    with TokenServer(tls=certificate) as server:
        with pytest.raises(TokenUnavailable, match="certificate|TLS"):
            renewed(server, Reach(ca_pem=server.ca_pem))

        assert server.requests == []


def test_an_address_that_may_not_be_reached_is_not_dialled(server: TokenServer) -> None:
    """As it is, and behind a name."""
    for url in (server.url(), server.url().replace("127.0.0.1", "localhost")):
        with pytest.raises(TokenUnavailable, match="not a public address .MAILSVC_RELAY_TARGETS"):
            renewed(server, Reach(targets="public"), token_url=url)

    assert server.requests == []


def test_a_host_in_another_script_is_dialled_by_its_ascii_name(server: TokenServer) -> None:
    """Full-width letters, which IDNA maps to others."""
    assert server.is_valid(renewed(server, token_url=server.url().replace("127.0.0.1", "ｌocalhost")).access_token)


def test_nobody_listens(server: TokenServer) -> None:
    with pytest.raises(TokenUnavailable, match="connection refused"):
        renewed(server, token_url="http://127.0.0.1:1/token")
