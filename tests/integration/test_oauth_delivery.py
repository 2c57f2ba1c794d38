"""Relays that log in with OAuth 2: delivery and checks get a token for each session, and what a refusal does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mailsvc.api.relay_objects import RelayCheck
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.clock import MINUTE
from mailsvc.smtp.probe import probe
from mailsvc.store.database import Database
from mailsvc.store.oauth_tables import oauth_token
from tests.support.api import Client
from tests.support.dispatch import Dispatch
from tests.support.faulty import FaultyServer
from tests.support.postfix import Postfix
from tests.support.rootserver import why_not
from tests.support.sasl import TOKEN
from tests.support.tokenserver import TokenServer

ACCEPTED = msgspec.json.encode({"access_token": TOKEN, "expires_in": 3600}).decode()


@pytest.fixture
def furnishing() -> dict[str, Any]:
    """A service that really dials."""
    return {"check_relay": probe}


@pytest.fixture
def authorization() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
def dispatch(database: Database, tmp_path: Path) -> Dispatch:
    return Dispatch(database, tmp_path)


@pytest.fixture(scope="module")
def introspecting() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture(scope="module")
def token_postfix(introspecting: TokenServer) -> Iterator[Postfix]:
    if reason := why_not():
        pytest.skip(reason)
    server = Postfix(introspection_url=introspecting.url("/introspect"))
    yield server
    server.remove()


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
async def test_mail_goes_through_a_real_postfix(
    dispatch: Dispatch, token_postfix: Postfix, introspecting: TokenServer, auth: Any
) -> None:
    token_postfix.forget()
    account = token_postfix.relay(username=introspecting.user, password=None, auth=auth)
    dispatch.add(account, oauth=introspecting.grant())
    await asyncio.to_thread(dispatch.put, account, 5)
    async with dispatch.at_work():
        await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert len(token_postfix.wait_for_messages(5)) == 5
    assert sum(r["refresh_token"] == introspecting.requests[-1]["refresh_token"] for r in introspecting.requests) == 1


async def test_many_sessions_share_one_token(dispatch: Dispatch, authorization: TokenServer) -> None:
    authorization.moods.append(ACCEPTED)
    async with FaultyServer() as server:
        account = dispatch.add(
            server.relay(password=None, max_connections=5, max_messages_per_connection=2), oauth=authorization.grant()
        )
        await asyncio.to_thread(dispatch.put, account, 30)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert len(server.messages) == 30 and server.connections >= 15
    assert len(authorization.requests) == 1


async def test_a_refused_grant_pauses_the_relay_and_says_what_to_run(
    dispatch: Dispatch, authorization: TokenServer
) -> None:
    """At once, as a refused login; no connection is made."""
    oauth = authorization.grant()
    authorization.revoke_refresh()
    async with FaultyServer() as server:
        account = dispatch.add(server.relay(password=None, name="gmail"), oauth=oauth)
        await asyncio.to_thread(dispatch.put, account)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.relay(account).retry_at)
            row = dispatch.relay(account)

    assert "invalid_grant" in row.last_error and row.last_error.endswith("run: mailsvc relay authorize gmail")
    assert (row.failures, server.connections, len(authorization.requests), dispatch.attempts) == (1, 0, 1, 0)
    assert [event["reason"] for event in dispatch.events("relay.paused")] == [row.last_error]


async def test_a_token_endpoint_that_is_away_is_the_relays_trouble(
    dispatch: Dispatch, authorization: TokenServer
) -> None:
    """The relay backs off, its messages wait; then all goes on."""
    authorization.moods.extend(["500", ACCEPTED])
    async with FaultyServer() as server:
        account = dispatch.add(server.relay(password=None), oauth=authorization.grant())
        await asyncio.to_thread(dispatch.put, account)
        async with dispatch.at_work() as worker:
            await dispatch.until(lambda: dispatch.relay(account).retry_at)
            row = dispatch.relay(account)
            with dispatch.database.write() as connection:
                connection.execute(oauth_token.update().values(retry_at=None))
            dispatch.skip_pause(account, worker)
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert "answered 500" in row.last_error
    assert len(authorization.requests) == 2


async def test_a_token_that_the_relay_refuses_is_renewed_at_once(
    dispatch: Dispatch, authorization: TokenServer
) -> None:
    """A change of the password ends tokens early; the relay is not paused for that."""
    async with FaultyServer() as server:
        account = dispatch.add(server.relay(password=None), oauth=authorization.grant())
        AccessTokens(dispatch.database, dispatch.vault).get(account.id)
        with dispatch.database.write() as connection:
            connection.execute(oauth_token.update().values(obtained_at=oauth_token.c.obtained_at - 2 * MINUTE))
        authorization.moods.append(ACCEPTED)
        await asyncio.to_thread(dispatch.put, account)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert (server.connections, len(authorization.requests)) == (2, 2)
    assert dispatch.events("relay.paused") == []


async def test_a_new_token_that_the_relay_refuses_pauses_it(dispatch: Dispatch, authorization: TokenServer) -> None:
    """Another one would be refused as well, and refused logins lock accounts."""
    async with FaultyServer() as server:
        account = dispatch.add(server.relay(password=None), oauth=authorization.grant())
        await asyncio.to_thread(dispatch.put, account)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.relay(account).retry_at)

    assert (server.connections, len(authorization.requests)) == (1, 1)


async def test_one_slow_token_endpoint_delays_no_other_relay(dispatch: Dispatch, authorization: TokenServer) -> None:
    authorization.gate.clear()
    async with FaultyServer() as server:
        slow = dispatch.add(server.relay(id="rly_1", name="slow", password=None), oauth=authorization.grant())
        quick = dispatch.add(server.relay(id="rly_2", name="quick"))
        await asyncio.to_thread(dispatch.put, slow, 20)
        await asyncio.to_thread(dispatch.put, quick, 20)
        async with dispatch.at_work():
            await asyncio.to_thread(authorization.wait_for_requests, 1)
            await dispatch.until(lambda: dispatch.statuses(quick) == {"sent"})
            assert "sent" not in dispatch.statuses(slow)
            authorization.gate.set()


# Checks


def oauth_relay(alice: Client, server: FaultyServer, oauth: dict[str, Any]) -> str:
    given = {"host": "127.0.0.1", "port": server.port, "ca_pem": server.ca_pem, "username": "shop@app.test"}
    return str(alice.post("/relays", {"name": "gmail", **given, "oauth": oauth}).json["id"])


async def checked(alice: Client, relay_id: str) -> RelayCheck:
    answer = await asyncio.to_thread(alice.post, f"/relays/{relay_id}/check")
    return msgspec.convert(answer.json, RelayCheck)


async def test_a_check_shows_the_token_as_its_first_step(alice: Client, authorization: TokenServer) -> None:
    authorization.moods.append(ACCEPTED)
    async with FaultyServer() as server:
        report = await checked(alice, oauth_relay(alice, server, authorization.grant()))

    assert (report.ok, [step.stage for step in report.steps]) == (
        True,
        ["oauth", "connect", "greeting", "ehlo", "starttls", "auth"],
    )


async def test_a_check_shows_why_there_is_no_token(alice: Client, authorization: TokenServer) -> None:
    oauth = authorization.grant()
    authorization.revoke_refresh()
    async with FaultyServer() as server:
        report = await checked(alice, oauth_relay(alice, server, oauth))

    assert (report.ok, [step.stage for step in report.steps], server.connections) == (False, ["oauth"], 0)
    assert report.steps[0].detail.endswith("run: mailsvc relay authorize gmail")


async def test_a_resume_lets_a_refused_grant_be_tried_again(alice: Client, authorization: TokenServer) -> None:
    authorization.moods.extend(["invalid_client", ACCEPTED])
    async with FaultyServer() as server:
        relay_id = oauth_relay(alice, server, authorization.grant())
        first = await checked(alice, relay_id)
        second = await checked(alice, relay_id)
        alice.post(f"/relays/{relay_id}/resume")
        third = await checked(alice, relay_id)

    assert [first.ok, second.ok, third.ok] == [False, False, True]
    assert len(authorization.requests) == 2
