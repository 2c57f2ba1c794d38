"""Access tokens are renewed once, by one thread of all processes, and a rotated refresh token is never lost."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from mailsvc import clock
from mailsvc.apps.oauth_accounts import oauth_in
from mailsvc.apps.oauth_tokens import AccessTokens, allow_renewal, forget_tokens
from mailsvc.apps.relay_form import NewRelay, RelayRules
from mailsvc.apps.relay_row import relay_form
from mailsvc.apps.relays import create_relay, delete_relay, get_relay, put_managed_relay, update_relay
from mailsvc.oauth.errors import GrantRefused, TokenUnavailable
from mailsvc.oauth.grant import OAuth
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import mailbox
from mailsvc.store.oauth_tables import oauth_token
from mailsvc.store.tables import app
from mailsvc.store.vault import Vault
from tests.support import tokenuser
from tests.support.postgres import Postgres
from tests.support.tables import with_tables
from tests.support.tokenserver import TokenServer

VAULT = Vault(tokenuser.KEY)
RULES = RelayRules(allow_plaintext=False, targets="any")


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer() as made:
        yield made


@pytest.fixture
def tokens(database: Database) -> AccessTokens:
    return AccessTokens(database, VAULT)


def relay_with(database: Database, oauth: dict[str, Any] | None) -> str:
    """The id of a new relay with this oauth object."""
    with database.write() as connection:
        if connection.execute(select(app.c.id)).first() is None:
            now = database.now()
            connection.execute(insert(app).values(id="app_1", name="one", created_at=now, updated_at=now))
    wanted = NewRelay(
        name="gmail", host="smtp.test", username="shop@app.test", oauth=OAuth(**oauth) if oauth else None, default=False
    )
    return str(create_relay(database, "app_1", wanted, vault=VAULT, rules=RULES).id)


def change(database: Database, relay_id: str, **given: Any) -> None:
    def edit(row: Any) -> NewRelay:
        form = relay_form(row, VAULT)
        for name, value in given.items():
            setattr(form, name, value)
        return form

    update_relay(database, "app_1", relay_id, edit, vault=VAULT, rules=RULES)


def row_of(database: Database, owner_id: str) -> Any:
    with database.read() as connection:
        return connection.execute(select(oauth_token).where(oauth_token.c.owner_id == owner_id)).first()


def alter(database: Database, owner_id: str, **values: Any) -> None:
    with database.write() as connection:
        connection.execute(update(oauth_token).where(oauth_token.c.owner_id == owner_id).values(**values))


def age(database: Database, owner_id: str, seconds: float) -> None:
    """Let so much time have passed for the row."""
    row, gone = row_of(database, owner_id), int(seconds * clock.SECOND)
    names = ("obtained_at", "expires_at", "retry_at", "renewing_until")
    alter(database, owner_id, **{n: getattr(row, n) - gone for n in names if getattr(row, n) is not None})


# Renewing


def test_a_token_is_got_once_and_used_until_shortly_before_its_end(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    relay = relay_with(database, server.grant())
    first = tokens.get(relay)
    age(database, relay, 3600 - 301)
    again = tokens.get(relay)
    age(database, relay, 2)
    renewed = tokens.get(relay)

    assert first == again != renewed
    assert [server.is_valid(token) for token in (first, renewed)] == [True, True]
    assert len(server.requests) == 2


def test_a_short_life_is_used_for_four_fifths(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    server.life = 100
    relay = relay_with(database, server.grant())
    first = tokens.get(relay)
    age(database, relay, 75)
    again = tokens.get(relay)
    age(database, relay, 6)

    assert first == again != tokens.get(relay)


def test_a_rotated_refresh_token_is_used_from_then_on(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    """Over five rotations, each of which ends the token before."""
    relay = relay_with(database, server.grant())
    got = []
    for _ in range(5):
        got.append(tokens.get(relay))
        age(database, relay, 3600)

    assert len(set(got)) == 5
    assert len({request["refresh_token"] for request in server.requests}) == 5


def test_a_server_that_does_not_rotate_keeps_its_refresh_token(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    server.rotates = False
    relay = relay_with(database, server.grant())
    tokens.get(relay)
    age(database, relay, 3600)

    assert server.is_valid(tokens.get(relay))


def test_tokens_are_stored_encrypted(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    relay = relay_with(database, server.grant())
    token = tokens.get(relay)

    assert token not in str(row_of(database, relay)) and "refresh-" not in str(row_of(database, relay))


def test_a_fixed_token_is_never_renewed(database: Database, tokens: AccessTokens) -> None:
    relay = relay_with(database, {"access_token": "ya29.fixed"})

    assert (tokens.get(relay), tokens.invalidate(relay, "ya29.fixed")) == ("ya29.fixed", False)


def test_machines_log_in_by_client_credentials(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    relay = relay_with(database, server.grant(grant="client_credentials", refresh_token=None))

    assert server.is_valid(tokens.get(relay))


@pytest.mark.parametrize(("protocol", "scope"), [("imap", "IMAP.AccessAsUser.All"), ("pop3", "POP.AccessAsUser.All")])
def test_a_mailbox_asks_for_the_scope_of_its_protocol(
    database: Database, tokens: AccessTokens, server: TokenServer, protocol: str, scope: str
) -> None:
    secret = VAULT.encrypt(json.dumps({"oauth": server.grant(preset="microsoft")}))
    flags = {"enabled": True, "managed": False, "paused": False, "created_at": 1, "updated_at": 1}
    row = {"id": "mbx_1", "app_id": "app_1", "name": "a b@c/INBOX", "config": f'{{"protocol":"{protocol}"}}', **flags}
    with database.write() as connection:
        connection.execute(insert(mailbox).values(secret=secret, **row))
    token = tokens.get("mbx_1")
    age(database, "mbx_1", 3600)
    server.revoke_refresh()
    with pytest.raises(GrantRefused, match="run: mailsvc mailbox authorize 'a b@c/INBOX'$"):
        tokens.get("mbx_1")

    assert server.is_valid(token) and scope in server.requests[0]["scope"]


# Once


def test_twenty_threads_renew_once(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    server.gate.clear()
    relay = relay_with(database, server.grant())
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(tokens.get, relay) for _ in range(20)]
        server.wait_for_requests(1)
        server.gate.set()
        got = {future.result() for future in asked}

    assert (len(got), len(server.requests)) == (1, 1)


def test_two_processes_renew_once(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    """With five threads each, and a third one that finds a renewal under way."""
    server.gate.clear()
    relay = relay_with(database, server.grant())
    processes = [tokenuser.start(database, relay, 5) for _ in range(2)]
    server.wait_for_requests(1)
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(tokens.get, relay)
        server.gate.set()
        got = {token for process in processes for token in tokenuser.tokens_of(process)} | {third.result()}

    assert (len(got), len(server.requests)) == (1, 1)


def test_a_token_that_still_holds_is_used_while_another_process_renews(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    relay = relay_with(database, server.grant())
    first = tokens.get(relay)
    age(database, relay, 3600 - 120)
    alter(database, relay, renewing_until=database.now() + clock.HOUR)
    second = tokens.get(relay)
    age(database, relay, 100)
    with pytest.raises(TokenUnavailable, match="another process"):
        tokens.get(relay, patience=0.2)

    assert (first, len(server.requests)) == (second, 1)


def test_a_renewer_that_is_killed_before_its_commit_frees_the_lease(database: Database, server: TokenServer) -> None:
    """The refresh token of before is tried again, which servers allow for the sake of such losses."""
    server.reuses = 1
    relay = relay_with(database, server.grant())
    killed = tokenuser.start(database, relay, 1, "die")
    assert killed.wait(60) != 0
    row = row_of(database, relay)
    assert row.secret is None and row.renewing_until > database.now()

    age(database, relay, 31)
    token = AccessTokens(database, VAULT).get(relay)

    assert server.is_valid(token)
    assert [request["refresh_token"] for request in server.requests] == [server.requests[0]["refresh_token"]] * 2


def test_a_lease_ends_by_itself(database: Database, server: TokenServer) -> None:
    server.reuses = 1
    relay = relay_with(database, server.grant())
    assert tokenuser.start(database, relay, 1, "die").wait(60) != 0
    alter(database, relay, renewing_until=database.now() + clock.SECOND // 2)

    assert server.is_valid(AccessTokens(database, VAULT).get(relay))


def test_tokens_wait_for_a_database_that_is_away(own_postgres: Postgres, server: TokenServer) -> None:
    """It stops between the claim and the answer, and the answer's refresh token is the only one that is left."""
    database = with_tables(own_postgres.fresh_database())
    tokens = AccessTokens(database, VAULT)
    server.gate.clear()
    relay = relay_with(database, server.grant())
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(tokens.get, relay, patience=120)
        server.wait_for_requests(1)
        own_postgres.stop()
        server.gate.set()
        own_postgres.start()
        first = asked.result()
    age(database, relay, 3600)

    assert server.is_valid(first) and server.is_valid(tokens.get(relay))
    database.close()


def test_answers_that_come_after_the_lease_are_kept(database: Database, server: TokenServer) -> None:
    """A renewer that stood still for long has the latest refresh token all the same."""
    server.gate.clear()
    relay = relay_with(database, server.grant())
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(AccessTokens(database, VAULT, lease_seconds=0.0).get, relay)
        server.wait_for_requests(1)
        alter(database, relay, renewing_until=database.now() + clock.HOUR)  # another process has claimed
        server.gate.set()
        assert server.is_valid(slow.result())

    assert row_of(database, relay).renewing_until is None


# Failing


def test_a_refused_grant_says_what_to_run_and_is_asked_once_a_minute(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    relay = relay_with(database, server.grant())
    server.revoke_refresh()
    for _ in range(3):
        with pytest.raises(GrantRefused, match="invalid_grant.*run: mailsvc relay authorize gmail$"):
            tokens.get(relay)
    asked = len(server.requests)
    age(database, relay, 61)
    with pytest.raises(GrantRefused):
        tokens.get(relay)

    assert (asked, len(server.requests)) == (1, 2)


def test_twenty_threads_learn_of_one_refusal(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    relay = relay_with(database, server.grant())
    server.revoke_refresh()
    with ThreadPoolExecutor(20) as pool:
        errors = [future.exception() for future in [pool.submit(tokens.get, relay) for _ in range(20)]]

    assert ({type(error) for error in errors}, len(server.requests)) == ({GrantRefused}, 1)


def test_a_server_away_is_asked_again_soon(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    server.moods.extend(["500", "429"])
    relay = relay_with(database, server.grant())
    with pytest.raises(TokenUnavailable, match="answered 500"):
        tokens.get(relay)
    with pytest.raises(TokenUnavailable, match="answered 500"):
        tokens.get(relay)
    age(database, relay, 6)
    with pytest.raises(TokenUnavailable, match="answered 429"):
        tokens.get(relay)
    age(database, relay, 6)
    with pytest.raises(TokenUnavailable, match="answered 429"):  # Retry-After: 7
        tokens.get(relay)
    age(database, relay, 2)

    assert server.is_valid(tokens.get(relay))
    assert row_of(database, relay).error is None


def test_a_token_that_still_holds_is_used_although_it_can_not_be_renewed(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    relay = relay_with(database, server.grant())
    first = tokens.get(relay)
    age(database, relay, 3600 - 120)
    server.moods.append("500")
    second = tokens.get(relay)
    third = tokens.get(relay)

    assert (first == second == third, len(server.requests)) == (True, 2)


def test_a_person_may_try_again_at_once(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    server.moods.append("invalid_client")
    relay = relay_with(database, server.grant())
    with pytest.raises(GrantRefused):
        tokens.get(relay)
    with database.write() as connection:
        allow_renewal(connection, relay)

    assert server.is_valid(tokens.get(relay))


def test_an_account_that_is_gone_gets_no_token(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    relay = relay_with(database, server.grant())
    tokens.get(relay)
    delete_relay(database, "app_1", relay)

    assert row_of(database, relay) is None
    with pytest.raises(TokenUnavailable, match="deleted"):
        tokens.get(relay)


def test_an_account_without_oauth_says_so(database: Database, tokens: AccessTokens) -> None:
    with pytest.raises(GrantRefused, match="no oauth: run: mailsvc relay authorize gmail"):
        tokens.get(relay_with(database, None))


def test_secrets_of_another_key_are_no_reason_to_go_on(database: Database, server: TokenServer) -> None:
    relay = relay_with(database, server.grant())

    with pytest.raises(GrantRefused, match="MAILSVC_SECRET_KEY"):
        AccessTokens(database, Vault("another key")).get(relay)


# Refused by the mail server


def test_a_token_that_a_server_refused_is_renewed_at_most_once_a_minute(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    relay = relay_with(database, server.grant())
    first = tokens.get(relay)
    too_new = tokens.invalidate(relay, first)
    age(database, relay, 61)
    old_enough = tokens.invalidate(relay, first)
    second = tokens.get(relay)

    assert (too_new, old_enough, first != second) == (False, True, True)
    assert tokens.invalidate(relay, first) is True  # another one is there already
    assert tokens.invalidate(relay, second) is False
    assert len(server.requests) == 2


# Changes


def test_another_grant_drops_the_tokens(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    relay = relay_with(database, server.grant())
    first = tokens.get(relay)
    change(database, relay, oauth=OAuth(**server.grant()))

    assert row_of(database, relay) is None
    assert tokens.get(relay) != first


def test_other_changes_keep_the_rotated_refresh_token(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    relay = relay_with(database, server.grant())
    first = tokens.get(relay)
    change(database, relay, port=2525)
    second = tokens.get(relay)
    age(database, relay, 3600)

    assert first == second and server.is_valid(tokens.get(relay))


def test_a_grant_that_changes_during_a_renewal_wins(
    database: Database, tokens: AccessTokens, server: TokenServer
) -> None:
    """The old grant's tokens are not stored, and nobody gets them."""
    server.gate.clear()
    old = server.grant()
    new = server.grant()
    relay = relay_with(database, old)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(tokens.get, relay)
        server.wait_for_requests(1)
        change(database, relay, oauth=OAuth(**new))
        server.gate.set()
        token = asked.result()

    assert server.is_valid(token)
    assert [request["refresh_token"] for request in server.requests] == [old["refresh_token"], new["refresh_token"]]


def test_what_is_forgotten_is_asked_for_again(database: Database, tokens: AccessTokens, server: TokenServer) -> None:
    server.rotates = False
    relay = relay_with(database, server.grant())
    first = tokens.get(relay)
    with database.write() as connection:
        forget_tokens(connection, relay)

    assert tokens.get(relay) != first


# The relay of the settings


@pytest.mark.parametrize(
    ("settings", "stays"),
    [
        ({}, True),
        ({"username": "shop@app.test"}, True),
        ({"username": "other@app.test"}, False),
        ({"host": "other.test"}, False),
        ({"username": "shop@app.test", "password": "s3cret"}, False),
    ],
    ids=str,
)
def test_an_authorized_relay_of_the_settings_stays_so_after_a_restart(
    database: Database, tokens: AccessTokens, server: TokenServer, settings: dict[str, Any], stays: bool
) -> None:
    """A URL can't name a grant; that of another account, or beside a password, ends."""
    relay = relay_with(database, server.grant())
    tokens.get(relay)
    wanted = NewRelay(**{"name": "gmail", "host": "smtp.test", **settings})
    with database.write() as connection:
        put_managed_relay(connection, "app_1", wanted, VAULT, now=database.now())
    row = get_relay(database, "app_1", relay)

    assert (row.managed, oauth_in(row, VAULT) is not None, row_of(database, relay) is not None) == (True, stays, stays)
