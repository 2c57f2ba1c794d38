"""The IMAP client against a real Dovecot, while another client works in the same folder."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from mailsvc.imap.session import Session
from mailsvc.mailaccess.account import Credentials, Server, TlsMode
from mailsvc.mailaccess.errors import (
    AuthRefused,
    CommandRefused,
    FolderMissing,
    MessageGone,
    NotSupported,
    Stage,
    TlsFailed,
)
from tests.support.imapclient import in_mailhost, read, second_client
from tests.support.mailhost import HOST, MAILS, PASSWORD, MailHost


@pytest.fixture
def user(mailhost: MailHost) -> Credentials:
    """Somebody new, whose INBOX holds ``MAILS``."""
    return mailhost.new_user()


def in_inbox(mailhost: MailHost, user: Credentials, act: Callable[[Session], Any], tls: TlsMode = "implicit") -> Any:
    return in_mailhost(mailhost, user, lambda session: (session.select("INBOX"), act(session))[1], tls)


def flags(session: Session) -> dict[int, frozenset[str]]:
    listed = session.sizes(session.uids_after(0))
    return {uid: one.flags - {"\\recent"} for uid, one in listed.items()}


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("chunk", [1000, 1024 * 1024])
def test_every_message_comes_byte_for_byte_and_stays_unread(
    mailhost: MailHost, user: Credentials, tls: TlsMode, chunk: int
) -> None:
    """Dots, a line of 300,000 bytes, bytes that are no text."""

    def act(session: Session) -> set[bytes]:
        session.examine("INBOX")
        listed = session.sizes(session.uids_after(0))
        found = {read(session, uid, one.size, chunk=chunk) for uid, one in listed.items()}
        assert set(flags(session).values()) == {frozenset()}
        return found

    assert in_mailhost(mailhost, user, act, tls) == set(MAILS)


def test_a_folder_tells_what_the_cursor_needs(mailhost: MailHost, user: Credentials) -> None:
    def act(session: Session) -> None:
        folder = session.examine("INBOX")
        assert (folder.exists, folder.uidnext) == (len(MAILS), len(MAILS) + 1)
        assert session.uids_after(0) == (1, 2, 3, 4) and session.uids_after(2, limit=1) == (3,)
        assert session.uids_after(4) == ()
        assert session.select("INBOX").uidvalidity == folder.uidvalidity

    in_mailhost(mailhost, user, act)


def test_the_header_alone_is_read(mailhost: MailHost, user: Credentials) -> None:
    def act(session: Session) -> list[bytes]:
        found: list[bytes] = []
        assert session.fetch_header(2, found.append, limit=1000) == len(found[0])
        session.fetch_header(2, found.append, limit=4)
        return found

    header, cut = in_inbox(mailhost, user, act)
    assert header in {mail.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" for mail in MAILS} and cut == b"Subj"


@pytest.mark.parametrize("name", ["Done", "Erledigt für immer", 'a "quoted" \\ name & more', "日本語 %*", "1234"])
def test_messages_are_moved_to_a_folder_of_any_name(mailhost: MailHost, user: Credentials, name: str) -> None:
    """It is created and subscribed to; those that are gone are passed over."""

    def act(session: Session) -> None:
        session.move([1, 3, 99], name)
        session.move([1], name)
        assert session.uids_after(0) == (2, 4)
        assert session.select(name).exists == 2

    in_inbox(mailhost, user, act)
    assert len([line for line in second_client(mailhost, user).lsub()[1] if line]) == 1


def test_without_move_the_same_is_done_in_steps(mailhost: MailHost, user: Credentials) -> None:
    """And a mail that another client marked stays."""
    other = second_client(mailhost, user)
    other.uid("STORE", "2", "+FLAGS", "(\\Deleted)")

    def act(session: Session) -> None:
        session.capabilities -= {"MOVE"}
        session.move([1, 3], "Done")
        assert session.uids_after(0) == (2, 4)
        assert session.select("Done").exists == 2
        assert set(flags(session).values()) == {frozenset()}

    in_inbox(mailhost, user, act)


def test_only_what_is_ours_is_deleted(mailhost: MailHost, user: Credentials) -> None:
    r"""What another client marked ``\Deleted`` stays, and stays marked."""
    other = second_client(mailhost, user)
    other.uid("STORE", "2", "+FLAGS", "(\\Deleted)")

    def act(session: Session) -> dict[int, frozenset[str]]:
        session.expunge([1, 99])
        session.expunge([])
        return flags(session)

    assert in_inbox(mailhost, user, act) == {2: {"\\deleted"}, 3: frozenset(), 4: frozenset()}


def test_seen_is_added_and_nothing_else(mailhost: MailHost, user: Credentials) -> None:
    other = second_client(mailhost, user)
    other.uid("STORE", "1", "+FLAGS", "(\\Flagged)")

    found = in_inbox(mailhost, user, lambda session: (session.mark_seen([1, 2, 99]), flags(session))[1])
    assert found == {1: {"\\seen", "\\flagged"}, 2: {"\\seen"}, 3: frozenset(), 4: frozenset()}


def test_in_a_folder_that_is_only_examined_nothing_changes(mailhost: MailHost, user: Credentials) -> None:
    """Dovecot refuses nothing there, and does nothing."""

    def act(session: Session) -> None:
        session.examine("INBOX")
        with suppress(CommandRefused):
            session.mark_seen([1])
        with suppress(CommandRefused):
            session.expunge([1])
        assert flags(session)[1] == frozenset()

    in_mailhost(mailhost, user, act)
    assert mailhost.stored(user.username) == len(MAILS)


def test_another_client_deletes_while_we_read(mailhost: MailHost, user: Credentials) -> None:
    """The message is gone, before our session hears of it and afterwards; the others are there."""
    other = second_client(mailhost, user)

    def act(session: Session) -> None:
        session.sizes([1])
        other.uid("STORE", "1", "+FLAGS", "(\\Deleted)")
        other.expunge()
        for _ in range(2):
            with pytest.raises(MessageGone):
                read(session, 1)
            session.noop()
        assert session.sizes([1, 2]).keys() == {2} and session.exists == len(MAILS) - 1
        assert read(session, 2) in MAILS

    in_inbox(mailhost, user, act)


def test_another_client_moves_and_flags_while_we_wait(mailhost: MailHost, user: Credentials) -> None:
    other = second_client(mailhost, user)
    other.create("Elsewhere")

    def act(session: Session) -> None:
        other.uid("STORE", "2", "+FLAGS", "(\\Flagged)")
        other.uid("MOVE", "1", "Elsewhere")
        assert session.idle(60) is True
        assert flags(session) == {2: {"\\flagged"}, 3: frozenset(), 4: frozenset()}

    in_inbox(mailhost, user, act)


def test_a_mail_that_comes_ends_the_wait(mailhost: MailHost, user: Credentials) -> None:
    def act(session: Session) -> tuple[int, ...]:
        mailhost.deliver(user.username, b"Subject: new\r\n\r\n")
        assert session.idle(60) is True
        found = session.uids_after(4)
        assert session.idle(0.01) is False
        session.logout()
        return found

    assert in_inbox(mailhost, user, act) == (5,)


def test_a_folder_that_is_made_anew_has_another_uidvalidity(mailhost: MailHost, user: Credentials) -> None:
    other = second_client(mailhost, user)
    other.create("Box")

    def act(session: Session) -> tuple[int, int]:
        before = session.examine("Box").uidvalidity
        session.examine("INBOX")
        other.delete("Box")
        with pytest.raises(FolderMissing):
            session.examine("Box")
        other.create("Box")
        return before, session.examine("Box").uidvalidity

    before, after = in_mailhost(mailhost, user, act)
    assert before != after


def test_where_there_is_no_sent_folder_none_is_found(mailhost: MailHost, user: Credentials) -> None:
    """By its use, not by its name."""
    second_client(mailhost, user).create("Sent")

    assert in_inbox(mailhost, user, lambda session: session.find_special("\\Sent")) is None


def test_a_wrong_password_is_told(mailhost: MailHost, user: Credentials) -> None:
    with pytest.raises(AuthRefused) as raised:
        in_mailhost(mailhost, Credentials(user.username, "wrong"), Session.noop)

    assert raised.value.code == "AUTHENTICATIONFAILED" and raised.value.stage is Stage.LOGIN


def test_the_login_command_takes_a_password_beyond_ascii(mailhost: MailHost, user: Credentials) -> None:
    login = Credentials(user.username, PASSWORD, auth="login")

    assert in_inbox(mailhost, login, lambda session: session.exists) == len(MAILS)


def test_without_tls_dovecot_offers_no_login(mailhost: MailHost, user: Credentials) -> None:
    """So that no password is sent."""
    with Session(Server(HOST, mailhost.imap, "none")) as session, pytest.raises(NotSupported):
        session.open()
        session.login(user)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_of_a_stranger_is_not_believed(mailhost: MailHost, tls: TlsMode) -> None:
    port = mailhost.imaps if tls == "implicit" else mailhost.imap
    with Session(Server(HOST, port, tls)) as session, pytest.raises(TlsFailed):
        session.open()
