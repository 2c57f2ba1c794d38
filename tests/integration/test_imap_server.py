"""The sandbox's IMAP server, as clients of all kinds see it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from imapclient.exceptions import IMAPClientError

from mailsvc.imap.server.limits import MOST_CONNECTIONS, MOST_LINE
from mailsvc.mailaccess.errors import FolderMissing
from tests.support.imapclient import read
from tests.support.imapserver import RunningServer, run_server

FIRST = b"From: a@app.test\r\nSubject: One\r\n\r\nHello.\r\n"
SECOND = b"From: b@app.test\r\nTo: c@app.test\r\nSubject: Two\r\n\r\n" + bytes(range(256)) * 400
LOGIN = b'a LOGIN robin "pass \\"word\\" \\\\"'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with run_server(tmp_path / "mails") as running:
        yield running


class TestOurOwnReader:
    def test_every_mail_comes_byte_for_byte_and_stays_unread(self, server: RunningServer) -> None:
        server.append(FIRST, SECOND)
        with server.session() as session:
            session.examine("INBOX")
            listed = session.sizes(session.uids_after(0), dates=True)
            found = [read(session, uid, one.size, chunk=1000) for uid, one in listed.items()]
            at_once = session.fetch_small({uid: one.size for uid, one in listed.items()})

        assert found == [FIRST, SECOND]
        assert list(at_once.values()) == [FIRST, SECOND]
        assert {one.flags for one in listed.values()} == {frozenset()}
        assert all(one.received_at is not None for one in listed.values())

    def test_a_waiting_client_hears_of_a_mail(self, server: RunningServer) -> None:
        """By IDLE; the mail is there when it looks."""
        with server.session() as session:
            session.examine("INBOX")
            assert session.uids_after(0) == ()
            (uid,) = server.append(FIRST)

            assert session.idle(30)
            assert session.uids_after(0) == (uid,)

    def test_only_the_given_mails_are_expunged(self, server: RunningServer) -> None:
        """UIDPLUS; what others marked stays."""
        one, two, three = server.append(FIRST, SECOND, FIRST)
        server.change(lambda drop: drop.set_flags(one, ["\\Deleted"]))
        with server.session() as session:
            session.select("INBOX")
            session.mark_seen([three])
            session.expunge([two])

            listed = session.sizes(session.uids_after(0))
        assert {uid: set(mail.flags) for uid, mail in listed.items()} == {one: {"\\deleted"}, three: {"\\seen"}}

    def test_there_is_no_other_folder(self, server: RunningServer) -> None:
        """Neither to move to, nor for sent mails."""
        (uid,) = server.append(FIRST)
        with server.session() as session:
            session.select("INBOX")
            with pytest.raises(FolderMissing, match="there is only INBOX"):
                session.move([uid], "Archive")

            assert session.find_special("\\Sent") is None
            assert session.uids_after(0) == (uid,)

    def test_a_folder_opened_to_read_is_not_changed(self, server: RunningServer) -> None:
        (uid,) = server.append(FIRST)
        with server.imapclient() as client:
            client.select_folder("INBOX", readonly=True)
            client.fetch([uid], ["BODY[]"])
            with pytest.raises(IMAPClientError, match="EXAMINE"):
                client.delete_messages([uid])

            assert client.get_flags([uid]) == {uid: ()}


class TestOtherClients:
    def test_imapclient_lists_searches_and_appends(self, server: RunningServer) -> None:
        one, two = server.append(FIRST, SECOND)
        with server.imapclient() as client:
            assert [name for _, _, name in client.list_folders()] == ["INBOX"]
            assert client.folder_status("INBOX")[b"MESSAGES"] == 2
            client.select_folder("INBOX")
            client.add_flags([one], ["\\Seen", "\\Flagged"])

            assert client.search(["UNSEEN"]) == [two]
            assert client.search(["OR", "FLAGGED", "SUBJECT", "two"]) == [one, two]
            assert client.search(["NOT", ["TO", "c@app.test"], "SINCE", "1-Jan-2020"]) == [one]
            assert client.search(["HEADER", "From", "b@app", "LARGER", 1000]) == [two]
            assert client.search(["BEFORE", "1-Jan-2020"]) == []
            assert b"APPENDUID" in client.append("INBOX", FIRST, flags=["\\Seen"])
            assert client.search("SEEN") == [one, two + 1]

    def test_imapclient_waits_and_is_told(self, server: RunningServer) -> None:
        with server.imapclient() as client:
            client.select_folder("INBOX")
            client.idle()
            server.append(FIRST)
            told = client.idle_check(timeout=30)
            client.idle_done()

        assert told == [(1, b"EXISTS")]

    def test_another_client_that_deletes_is_news(self, server: RunningServer) -> None:
        """Also while it waits: the numbers are those of then."""
        one, two, _ = server.append(FIRST, FIRST, FIRST)
        with server.imapclient() as client:
            client.select_folder("INBOX")
            client.idle()
            server.change(lambda drop: drop.expunge([one, two]))
            told = client.idle_check(timeout=30)
            client.idle_done()

        assert told == [(2, b"EXPUNGE"), (1, b"EXPUNGE")]

    def test_imaplib_reads_and_deletes(self, server: RunningServer) -> None:
        server.append(FIRST, SECOND)
        with server.imaplib() as client:
            assert client.select() == ("OK", [b"2"])
            assert client.fetch("1", "(RFC822)")[1][0] == (b"1 (RFC822 {%d}" % len(FIRST), FIRST)
            header = client.fetch("2", "(BODY.PEEK[HEADER.FIELDS (SUBJECT TO)])")[1][0][1]
            assert header == b"To: c@app.test\r\nSubject: Two\r\n\r\n"
            assert client.fetch("2", "(BODY.PEEK[TEXT]<1.3>)")[1][0][1] == b"\x01\x02\x03"
            client.store("1", "+FLAGS", "\\Deleted")
            assert client.expunge() == ("OK", [b"1"])
            assert client.search(None, "ALL") == ("OK", [b"1"])
            assert client.uid("SEARCH", "ALL") == ("OK", [b"2"])

    def test_a_mail_comes_back_as_it_was_appended(self, server: RunningServer) -> None:
        with server.imaplib() as client:
            client.append("INBOX", "(\\Flagged)", '"01-Feb-2026 03:04:05 +0000"', FIRST)
            client.select(readonly=True)
            (told, _) = client.fetch("1", "(FLAGS INTERNALDATE BODY[])")[1]

        assert told[0].startswith(b'1 (INTERNALDATE "01-Feb-2026 03:04:05 +0000" FLAGS (\\Flagged) BODY[] {')
        assert told[1] == FIRST


class TestLimits:
    def test_a_wrong_password_is_refused(self, server: RunningServer) -> None:
        """Three times; then the connection ends."""
        said = server.say(*[b'a LOGIN robin "wrong"'] * 3, b"b NOOP")

        assert said.count(b"a NO [AUTHENTICATIONFAILED]") == 3
        assert b"b OK" not in said

    def test_nothing_is_shown_before_the_login(self, server: RunningServer) -> None:
        server.append(FIRST)
        said = server.say(b"a SELECT INBOX", b"b FETCH 1 FLAGS", b"c STATUS INBOX (MESSAGES)", b"d IDLE", b"e LOGOUT")

        for tag in (b"a", b"b", b"c", b"d"):
            assert tag + b" BAD" in said
        assert b"EXISTS" not in said

    def test_plain_with_and_without_an_initial_response(self, server: RunningServer) -> None:
        plain = b"AHJvYmluAHBhc3MgIndvcmQiIFw="
        said = server.say(b"a AUTHENTICATE PLAIN " + plain, b"b LOGOUT")
        asked = server.say(b"a AUTHENTICATE PLAIN", plain, b"b LOGOUT")
        cancelled = server.say(b"a AUTHENTICATE PLAIN", b"*", b"b LOGOUT")

        assert (b"a OK" in said, b"+ \r\na OK" in asked, b"a BAD" in cancelled) == (True, True, True)

    @pytest.mark.parametrize(
        "line",
        [
            b"x" * (MOST_LINE + 1),
            b"a LOGIN {999999999+}",
            LOGIN + b"\r\na APPEND INBOX {999999999+}",
        ],
    )
    def test_a_client_that_sends_too_much_is_sent_away(self, server: RunningServer, line: bytes) -> None:
        assert b"* BYE" in server.say(line)

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"a",
            b"a FETCH",
            b"a FETCH 0 FLAGS",
            b"a FETCH 9 FLAGS",
            b"a FETCH 1 ENVELOPE",
            b"a FETCH 1 BODY[1]",
            b"a FETCH 1 (FLAGS",
            b"a FETCH 1 FLAGS)",
            b'a FETCH 1 "FLAGS',
            b"a FETCH 1 " + b"(" * 50 + b"FLAGS" + b")" * 50,
            b"a SEARCH KEYWORD x",
            b"a SEARCH " + b"NOT " * 5000,
            b"a SEARCH SINCE yesterday",
            b"a STORE 1 +FLAGS (Important)",
            b"a STORE 1 FLAGS",
            b"a UID",
            b"a UID NOOP",
            b"a SELECT Sent",
            b"a APPEND INBOX {99999999}",
            b"\xff\x00 \xff",
            b"a {3}",
        ],
    )
    def test_a_command_that_makes_no_sense_is_refused_and_the_session_goes_on(
        self, server: RunningServer, line: bytes
    ) -> None:
        server.append(FIRST)
        said = server.say(LOGIN, b"s SELECT INBOX", line, b"xyz", b"z LOGOUT")

        assert b"z OK" in said
        assert b" BAD " in said or b" NO " in said

    def test_one_client_can_not_hold_all_connections(self, server: RunningServer) -> None:
        """Beyond the limit, others are told to come later."""
        clients = [server.imapclient() for _ in range(MOST_CONNECTIONS)]
        for client in clients:
            client.__enter__()
        said = server.say(LOGIN)
        for client in clients:
            client.__exit__(None, None, None)

        assert said == b"* BYE too many connections\r\n"

    def test_a_client_that_reads_slowly_fills_no_memory(self, server: RunningServer) -> None:
        """It gets all in the end, although it asked for it many times before it read."""
        server.append(SECOND)
        fetches = [b"f%d FETCH 1 BODY.PEEK[]" % n for n in range(300)]

        assert server.say(LOGIN, b"s SELECT INBOX", *fetches, b"z LOGOUT").count(SECOND) == 300
