"""The POP3 client against a real Dovecot."""

from collections.abc import Callable
from typing import Any

import pytest

from mailsvc.mailaccess.account import Credentials, Server, TlsMode
from mailsvc.mailaccess.errors import AuthRefused, CommandRefused, MailboxInUse, NotSupported, TlsFailed
from mailsvc.pop3.session import Session
from tests.support.mailhost import HOST, MAILS, PASSWORD, MailHost


@pytest.fixture
def user(mailhost: MailHost) -> Credentials:
    """Somebody new, whose mailbox holds ``MAILS``."""
    return mailhost.new_user()


def server(mailhost: MailHost, tls: TlsMode = "implicit", **given: Any) -> Server:
    port = mailhost.pop3s if tls == "implicit" else mailhost.pop3
    return Server(**{"host": HOST, "port": port, "tls": tls, "ca_pem": mailhost.ca_pem, **given})


def in_session(mailhost: MailHost, user: Credentials, act: Callable[[Session], Any], tls: TlsMode = "implicit") -> Any:
    with Session(server(mailhost, tls)) as session:
        session.open()
        session.login(user)
        return act(session)


def read(session: Session, number: int) -> bytes:
    content = bytearray()
    session.retrieve(number, content.extend, limit=1_000_000)
    return bytes(content)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("auth", ["user", "plain"])
def test_every_message_comes_byte_for_byte(mailhost: MailHost, user: Credentials, tls: TlsMode, auth: Any) -> None:
    """Dots, a line of 300,000 bytes, bytes that are no text."""
    credentials = Credentials(user.username, PASSWORD, auth=auth)

    found = in_session(mailhost, credentials, lambda session: {read(session, number) for number in session.uids()}, tls)
    assert found == set(MAILS)


def test_counts_sizes_and_unique_ids_agree(mailhost: MailHost, user: Credentials) -> None:
    def act(session: Session) -> None:
        sizes, uids = session.sizes(), session.uids()
        assert session.stat() == (len(MAILS), sum(sizes.values()))
        assert set(sizes.values()) == set(map(len, MAILS))
        assert len(set(uids.values())) == len(MAILS) and uids.keys() == sizes.keys()

    in_session(mailhost, user, act)


def test_an_empty_mailbox_is_listed(mailhost: MailHost) -> None:
    mailhost.add_user("empty", PASSWORD)

    assert in_session(mailhost, Credentials("empty", PASSWORD), lambda s: (s.stat(), s.sizes(), s.uids())) == (
        (0, 0),
        {},
        {},
    )


def test_the_top_ends_with_the_header(mailhost: MailHost, user: Credentials) -> None:
    def act(session: Session) -> None:
        for number in session.sizes():
            header = bytearray()
            session.top(number, 0, header.extend, limit=1000)
            assert header.startswith(b"Subject: ") and header.endswith(b"\r\n\r\n") and header.count(b"\r\n") == 2

    in_session(mailhost, user, act)


def test_deletions_are_done_at_quit_and_only_then(mailhost: MailHost, user: Credentials) -> None:
    """And unique-ids outlive the session."""
    uids = in_session(mailhost, user, lambda session: (session.delete(1, 2), session.uids())[1])
    assert mailhost.stored(user.username) == len(MAILS)

    left = in_session(mailhost, user, lambda session: (session.uids(), session.delete(1, 3, 99), session.quit()))
    assert left[1:] == ((1, 3), (1, 3))
    assert mailhost.stored(user.username) == len(MAILS) - 2
    assert set(in_session(mailhost, user, Session.uids).values()) < set(left[0].values())
    assert set(uids.values()) < set(left[0].values())


def test_a_message_that_is_not_there_is_refused(mailhost: MailHost, user: Credentials) -> None:
    def act(session: Session) -> None:
        with pytest.raises(CommandRefused):
            read(session, 99)
        session.noop()

    in_session(mailhost, user, act)


@pytest.mark.parametrize("auth", ["user", "plain"])
def test_a_wrong_password_is_told(mailhost: MailHost, user: Credentials, auth: Any) -> None:
    with Session(server(mailhost)) as session, pytest.raises(AuthRefused) as raised:
        session.open()
        session.login(Credentials(user.username, "wrong", auth=auth))

    assert raised.value.code == "AUTH" and raised.value.text == "Authentication failed."


def test_a_second_session_finds_the_mailbox_in_use(mailhost: MailHost, user: Credentials) -> None:
    def act(session: Session) -> None:
        with pytest.raises(MailboxInUse) as raised:
            in_session(mailhost, user, Session.stat)
        assert raised.value.code == "IN-USE"

    in_session(mailhost, user, act)


def test_without_tls_dovecot_offers_no_login(mailhost: MailHost, user: Credentials) -> None:
    """So that no password is sent."""
    with Session(server(mailhost, "none")) as session, pytest.raises(NotSupported):
        session.open()
        session.login(user)


def test_a_token_is_not_sent_where_none_is_taken(mailhost: MailHost, user: Credentials) -> None:
    with Session(server(mailhost)) as session, pytest.raises(NotSupported):
        session.open()
        session.login(Credentials(user.username, access_token="token"))


@pytest.mark.parametrize(
    ("tls", "given"),
    [
        ("implicit", {"ca_pem": None}),
        ("starttls", {"ca_pem": None}),
        ("implicit", {"port": None}),
    ],
)
def test_what_is_not_trusted_or_no_tls_is_told(mailhost: MailHost, tls: TlsMode, given: dict[str, Any]) -> None:
    """The system's CAs don't know this one; and the clear port speaks no TLS from the first byte."""
    given = {key: mailhost.pop3 if key == "port" else value for key, value in given.items()}
    with Session(server(mailhost, tls, **given)) as session, pytest.raises(TlsFailed) as raised:
        session.open()

    assert "not trusted" in raised.value.text or "no TLS is spoken on this port" in raised.value.text
