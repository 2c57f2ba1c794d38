"""OAuth end to end: a real Postfix and a real Dovecot that ask the authorization server about each token."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailsvc.imap.session import Session as ImapSession
from mailsvc.mailaccess.account import Credentials, Server
from mailsvc.mailaccess.errors import AuthRefused
from mailsvc.oauth.exchange import Reach
from mailsvc.oauth.grant import OAuth, endpoints_of
from mailsvc.oauth.tokens import renew
from mailsvc.pop3.session import Session as Pop3Session
from mailsvc.smtp.opening import RelayTrouble, open_session
from mailsvc.store.database import Database
from tests.support.ingest import Ingest, running
from tests.support.mailhost import HOST, MailHost, why_no_mailhost
from tests.support.postfix import Postfix
from tests.support.rootserver import why_not
from tests.support.tables import empty
from tests.support.tokenserver import TokenServer
from tests.support.waiting import wait_until

MECHANISMS = pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer", "auto"])


@pytest.fixture(scope="module")
def authorization() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture(scope="module")
def token_postfix(authorization: TokenServer) -> Iterator[Postfix]:
    if reason := why_not():
        pytest.skip(reason)
    server = Postfix(introspection_url=authorization.url("/introspect"))
    yield server
    server.remove()


@pytest.fixture(scope="module")
def token_mailhost(authorization: TokenServer) -> Iterator[MailHost]:
    if reason := why_not() or why_no_mailhost():
        pytest.skip(reason)
    server = MailHost(introspection_url=authorization.url("/introspect"))
    server.add_user(authorization.user, "unused")
    yield server
    server.remove()


def new_token(authorization: TokenServer) -> str:
    oauth = OAuth(**authorization.grant())
    return renew(oauth, endpoints_of(oauth, "smtp"), Reach(), refresh_token=oauth.refresh_token).access_token


@MECHANISMS
async def test_postfix_admits_a_token(token_postfix: Postfix, authorization: TokenServer, auth: Any) -> None:
    token = new_token(authorization)
    relay = token_postfix.relay(username=authorization.user, password=None, auth=auth)

    session = await open_session(relay, access_token=token)
    await session.quit()

    assert authorization.introspected[-1] == token


@MECHANISMS
async def test_postfix_refuses_a_token_that_was_revoked(
    token_postfix: Postfix, authorization: TokenServer, auth: Any
) -> None:
    relay = token_postfix.relay(username=authorization.user, password=None, auth=auth)
    with pytest.raises(RelayTrouble) as caught:
        await open_session(relay, access_token="revoked")

    assert caught.value.is_auth


def session_at(host: MailHost, protocol: str) -> ImapSession | Pop3Session:
    port = host.imaps if protocol == "imap" else host.pop3s
    kind = ImapSession if protocol == "imap" else Pop3Session
    return kind(Server(HOST, port, ca_pem=host.ca_pem))


@MECHANISMS
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_dovecot_admits_a_token(token_mailhost: MailHost, authorization: TokenServer, protocol: str, auth: Any) -> None:
    token = new_token(authorization)
    with session_at(token_mailhost, protocol) as session:
        session.open()
        session.login(Credentials(authorization.user, access_token=token, auth=auth))

    assert authorization.introspected[-1] == token


@MECHANISMS
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_dovecot_refuses_a_token_that_was_revoked(
    token_mailhost: MailHost, authorization: TokenServer, protocol: str, auth: Any
) -> None:
    """And says so in its challenge (RFC 7628 section 3.2.2)."""
    with session_at(token_mailhost, protocol) as session:
        session.open()
        with pytest.raises(AuthRefused) as caught:
            session.login(Credentials(authorization.user, access_token="revoked", auth=auth))

    assert "status" in (caught.value.oauth_error or "")
    assert "revoked" not in str(caught.value)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_mailbox_is_read_with_tokens_that_are_renewed(
    sqlite_tables: Database, tmp_path: Path, token_mailhost: MailHost, authorization: TokenServer, protocol: str
) -> None:
    """A token that the server refuses before its end is renewed at once."""
    empty(sqlite_tables)
    ingest = Ingest(sqlite_tables, tmp_path)
    with running(ingest):
        id_ = ingest.add(**account(token_mailhost, authorization, protocol))
        ingest.wait(id_, lambda shown: shown["status"] == "active")
        renewals = len(authorization.requests)
        authorization.revoke_access()
        with sqlite_tables.write() as connection:  # as if it had been renewed a while ago
            connection.exec_driver_sql("UPDATE mailsvc_oauth_token SET obtained_at = obtained_at - 120000000")
        ingest.resume(id_)
        wait_until(lambda: len(authorization.requests) > renewals)
        ingest.wait(id_, lambda shown: shown["status"] == "active" and shown["status_reason"] is None)


def test_a_revoked_grant_is_told_at_once_with_what_to_run(
    sqlite_tables: Database, tmp_path: Path, token_mailhost: MailHost, authorization: TokenServer
) -> None:
    """``mailbox.failing`` with the reason oauth; the provider is not asked again within a minute."""
    empty(sqlite_tables)
    ingest = Ingest(sqlite_tables, tmp_path)
    authorization.moods.append("invalid_grant")
    with running(ingest):
        id_ = ingest.add(**account(token_mailhost, authorization, "imap"))
        shown = ingest.wait(id_, lambda shown: shown["status"] == "failing")
        asked = len(authorization.requests)
        ingest.resume(id_)
        ingest.wait(id_, lambda shown: shown["status"] == "active")

    assert shown["status_reason"] == "oauth"
    assert "run: mailsvc mailbox authorize support" in shown["last_error"]
    assert len(authorization.requests) == asked + 1


def account(host: MailHost, authorization: TokenServer, protocol: str) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "host": HOST,
        "port": host.imaps if protocol == "imap" else host.pop3s,
        "ca_pem": host.ca_pem,
        "username": authorization.user,
        "oauth": OAuth(**authorization.grant()),
    }
