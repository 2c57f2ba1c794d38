"""A person's authorization: what the browser is sent to, what comes back, and device codes."""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from mailsvc.oauth.authorization import (
    USUAL_INTERVAL,
    USUAL_LIFE,
    ask_consent,
    device_tokens,
    request_device_code,
    tokens_for_consent,
)
from mailsvc.oauth.errors import GrantRefused, NotYetAuthorized, TokenUnavailable
from mailsvc.oauth.exchange import Reach
from mailsvc.oauth.grant import OAuth, endpoints_of
from mailsvc.oauth.presets import Endpoints, preset_for_host
from mailsvc.oauth.redirect import answer_in, listen_for_redirect
from tests.support.tokenserver import CLIENT_ID, CLIENT_SECRET, TokenServer

REDIRECT = "http://127.0.0.1:7/"


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer() as made:
        yield made


@pytest.fixture
def grant(server: TokenServer) -> OAuth:
    return OAuth(token_url=server.url(), client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


@pytest.fixture
def endpoints(server: TokenServer) -> Endpoints:
    return Endpoints(server.url(), "mail", server.url("/authorize"), server.url("/device"))


def answered(server: TokenServer, url: str) -> dict[str, str]:
    return answer_in(httpx.get(url).headers["location"])


def test_the_question_to_google_asks_for_a_refresh_token() -> None:
    oauth = OAuth(preset="google", client_id="id")
    consent = ask_consent(oauth, endpoints_of(oauth, "smtp"), REDIRECT)
    query = {name: values[0] for name, values in parse_qs(urlsplit(consent.url).query).items()}

    assert consent.url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    assert (query["scope"], query["access_type"], query["prompt"]) == ("https://mail.google.com/", "offline", "consent")
    assert (query["code_challenge_method"], len(query["code_challenge"]), query["redirect_uri"]) == (
        "S256",
        43,
        REDIRECT,
    )


def test_no_two_questions_are_alike(grant: OAuth, endpoints: Endpoints) -> None:
    first, second = (ask_consent(grant, endpoints, REDIRECT) for _ in range(2))

    assert first.state != second.state and first.verifier != second.verifier
    assert first.verifier not in first.url


def test_a_code_is_exchanged_for_tokens(server: TokenServer, grant: OAuth, endpoints: Endpoints) -> None:
    consent = ask_consent(grant, endpoints, REDIRECT)
    tokens = tokens_for_consent(consent, answered(server, consent.url), grant, endpoints, Reach())

    assert server.is_valid(tokens.access_token) and tokens.refresh_token is not None


def test_a_code_of_another_question_is_worth_nothing(server: TokenServer, grant: OAuth, endpoints: Endpoints) -> None:
    """Neither with its own state (a forged redirect) nor with ours (a code that was slipped in; PKCE)."""
    ours, other = (ask_consent(grant, endpoints, REDIRECT) for _ in range(2))
    answer = answered(server, other.url)
    with pytest.raises(GrantRefused, match="another question"):
        tokens_for_consent(ours, answer, grant, endpoints, Reach())
    with pytest.raises(GrantRefused, match="invalid_grant"):
        tokens_for_consent(ours, {**answer, "state": ours.state}, grant, endpoints, Reach())


def test_a_refusal_is_shown_on_one_line(grant: OAuth, endpoints: Endpoints) -> None:
    consent = ask_consent(grant, endpoints, REDIRECT)
    answer = {"state": consent.state, "error": "access_denied", "error_description": "no\x1b[2J\nnever"}
    with pytest.raises(GrantRefused, match="access_denied: no") as caught:
        tokens_for_consent(consent, answer, grant, endpoints, Reach())

    assert caught.value.text.isprintable()


def test_a_device_is_authorized_when_the_person_has_entered_the_code(
    server: TokenServer, grant: OAuth, endpoints: Endpoints
) -> None:
    device = request_device_code(grant, endpoints, Reach())
    with pytest.raises(NotYetAuthorized):
        device_tokens(device, grant, endpoints, Reach())
    server.moods.append("slow_down")
    with pytest.raises(NotYetAuthorized) as caught:
        device_tokens(device, grant, endpoints, Reach())
    server.approve_device()

    assert caught.value.is_too_often
    assert server.is_valid(device_tokens(device, grant, endpoints, Reach()).access_token)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"device_code": "d", "user_code": 7, "verification_uri": "https://x.test/"},
        {"device_code": "d", "user_code": "a\x1b[2J", "verification_uri": "https://x.test/"},
        {"device_code": "d", "user_code": "u", "verification_uri": ""},
    ],
)
def test_a_strange_device_code_is_not_shown(
    server: TokenServer, grant: OAuth, endpoints: Endpoints, given: dict[str, Any]
) -> None:
    server.moods.append(msgspec.json.encode(given).decode())
    with pytest.raises(TokenUnavailable, match="device code"):
        request_device_code(grant, Endpoints(server.url(), device_url=server.url()), Reach())


def test_a_device_code_without_times_has_the_usual_ones(server: TokenServer, grant: OAuth) -> None:
    given = {
        "device_code": "d",
        "user_code": "u",
        "verification_url": "https://x.test/",
        "interval": -1,
        "expires_in": "x",
    }
    server.moods.append(msgspec.json.encode(given).decode())
    device = request_device_code(grant, Endpoints(server.url(), device_url=server.url()), Reach())

    assert (device.interval, device.life, device.complete_uri) == (USUAL_INTERVAL, USUAL_LIFE, None)


def test_only_the_first_answer_to_the_question_counts() -> None:
    with listen_for_redirect() as redirect:
        redirect.expect("s")
        uri = f"http://127.0.0.1:{redirect.port}/"
        statuses = [
            httpx.get(uri, params=query).status_code
            for query in ({"code": "a"}, {"code": "a", "state": "x"}, {"state": "s"}, {"code": "b", "state": "s"})
        ]
        late = httpx.get(uri, params={"code": "c", "state": "s"}).status_code
        answer = redirect.wait(30)

    assert (statuses, late, answer) == ([404, 404, 404, 200], 404, {"code": "b", "state": "s"})


def test_a_connection_that_says_nothing_does_not_keep_the_answer_away() -> None:
    """Browsers open some in advance."""
    with listen_for_redirect() as redirect, socket.create_connection(("127.0.0.1", redirect.port)):
        redirect.expect("s")
        httpx.get(f"http://127.0.0.1:{redirect.port}/?code=a&state=s")

        assert redirect.wait(30) == {"code": "a", "state": "s"}


@pytest.mark.parametrize(
    ("host", "preset"),
    [
        ("smtp.gmail.com", "google"),
        ("IMAP.GMAIL.COM.", "google"),
        ("smtp.office365.com", "microsoft"),
        ("smtp-mail.outlook.com", "microsoft"),
        ("notgmail.com", None),
        ("smtp.example.test", None),
    ],
)
def test_large_providers_are_known_by_their_servers(host: str, preset: str | None) -> None:
    assert preset_for_host(host) == preset
