"""Sent messages in an IMAP folder: found by exactly their Message-ID, and filed once the folder is there."""

from collections.abc import Callable
from typing import Any

import pytest

from mailsvc import clock
from mailsvc.imap.session import Session
from mailsvc.mailaccess.account import Credentials
from mailsvc.mailaccess.errors import CommandRefused, UnsendableArgument
from tests.support.faultyimap import FaultyImap
from tests.support.imapclient import in_folder, in_mailhost
from tests.support.mailhost import MailHost

AT = clock.as_datetime(1_700_000_000_000_000)


@pytest.fixture
def user(mailhost: MailHost) -> Credentials:
    return mailhost.new_user()


def mail(message_id: str) -> bytes:
    return f"Message-ID: {message_id}\r\nSubject: Hi\r\n\r\nHello.\r\n".encode()


def filed(folder: str, *message_ids: str) -> Callable[[Session], None]:
    def act(session: Session) -> None:
        for message_id in message_ids:
            session.append(folder, mail(message_id), AT)

    return act


@pytest.mark.parametrize(
    ("wanted", "copies"),
    [("<a@app.test>", 2), ("<A@app.test>", 1), ("<b@app.test>", 0), ('<"q\\"x"@app.test>', 1), ("<folded@app.test>", 1)],
)  # fmt: skip
def test_copies_are_counted_by_exactly_their_message_id(
    mailhost: MailHost, user: Credentials, wanted: str, copies: int
) -> None:
    """SEARCH finds whatever contains it, in any case."""
    there = ("<a@app.test>", "<a@app.test>", "<A@app.test>", "<ab@app.test>", "<x<a@app.test>")
    odd = ('<"q\\"x"@app.test>', "\r\n <folded@app.test>")
    in_mailhost(mailhost, user, filed("Sent", *there, *odd))

    def count(session: Session) -> int:
        session.examine("Sent")
        return session.count_copies(wanted)

    assert in_mailhost(mailhost, user, count) == copies


@pytest.mark.parametrize("message_id", ["<a\r\nb@app.test>", "<ä@app.test>"])
def test_a_message_id_that_could_be_another_command_is_not_searched_for(
    mailhost: MailHost, user: Credentials, message_id: str
) -> None:
    def act(session: Session) -> None:
        session.examine("INBOX")
        with pytest.raises(UnsendableArgument):
            session.count_copies(message_id)

    in_mailhost(mailhost, user, act)


def test_a_message_is_filed_as_it_is_with_its_time_and_seen(mailhost: MailHost, user: Credentials) -> None:
    """The folder is created and subscribed to."""

    def act(session: Session) -> list[Any]:
        session.append("Gesendet", mail("<a@app.test>"), AT)
        session.examine("Gesendet")
        (listed,) = session.sizes(session.uids_after(0), dates=True).values()
        return [listed.received_at, "\\seen" in listed.flags, session.find_sent()]

    assert in_mailhost(mailhost, user, act) == [AT, True, "Gesendet"]


def test_a_server_that_marks_the_folder_is_believed_before_its_name() -> None:
    said = '* LIST (\\HasNoChildren) "/" "Sent"\r\n* LIST (\\Sent) "/" "[G]/All sent"\r\nTAG OK done'
    with FaultyImap({"list": said}) as server:
        assert in_folder(server, Session.find_sent) == "[G]/All sent"


def test_the_most_usual_name_is_taken_where_several_are_there() -> None:
    names = ("INBOX", "INBOX.Sent Items", "INBOX.Sent", "Gesendet")
    said = "".join(f'* LIST (\\HasNoChildren) "." "{name}"\r\n' for name in names)
    with FaultyImap({"list": said + "TAG OK done"}) as server:
        assert in_folder(server, Session.find_sent) == "INBOX.Sent"


def test_a_message_that_is_refused_leaves_the_session_as_it_was() -> None:
    def act(session: Session) -> None:
        with pytest.raises(CommandRefused, match="over quota"):
            session.append("Sent", mail("<a@app.test>"), AT)
        session.noop()

    said = '* LIST (\\HasNoChildren) "/" "Sent"\r\nTAG OK done'
    with FaultyImap({"append": "TAG NO [OVERQUOTA] over quota", "list": said}) as server:
        in_folder(server, act)
