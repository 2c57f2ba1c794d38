"""Servers that fail over one mail, one setting or one answer: the other mails are read, and what was mended recovers."""

import threading
from pathlib import Path
from typing import Any

import pytest

from mailsvc.inbound import intake, trouble, watch
from mailsvc.store.database import Database
from tests.support.faultyimap import DROP, FaultyImap, Mood
from tests.support.faultypop3 import FaultyPop3
from tests.support.ingest import Ingest, running
from tests.support.waiting import wait_until

ONE, TWO, THREE = (f"Subject: {name}\r\n\r\nHello.\r\n".encode() for name in ("one", "two", "three"))


@pytest.fixture
def ingest(database: Database, tmp_path: Path) -> Ingest:
    return Ingest(database, tmp_path, max_inbound_bytes=300_000)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed sessions are tried again almost at once."""
    monkeypatch.setattr(trouble, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(trouble, "LONGEST_WAIT", 0.05)


def is_active(shown: dict[str, Any]) -> bool:
    return bool(shown["status"] == "active")


def is_failing(shown: dict[str, Any]) -> bool:
    return bool(shown["status"] == "failing")


class UngivenImap(FaultyImap):
    """Lists all messages, and answers in this way where the content of message 8 is asked for."""

    def __init__(self, answer: Mood) -> None:
        super().__init__(messages={7: ONE, 8: TWO, 9: THREE})
        self.answer = answer

    class conversation(FaultyImap.conversation):  # type: ignore[misc, name-defined]  # noqa: N801
        def take(self, line: str) -> None:
            tag, _, told = line.partition(" ")
            words = told.split(" ")
            if words[:2] == ["UID", "FETCH"] and "8" in words[2].split(",") and "PEEK[]" in told:
                self.tag = tag
                self.act(self.server.answer, "")
            else:
                super().take(line)


class TestMailsThatTheServerCannotGive:
    """Each is stored as unparsed, with its header where there is one; those behind it are read."""

    @pytest.mark.parametrize(
        "answer",
        ["TAG NO internal error", "TAG BAD what", "TAG NO [SERVERBUG] sorry", "* BYE crashed", DROP]
        + ["TAG OK nothing", "* 2 FETCH (UID 8 BODY[]<0> NIL)\r\nTAG OK"],
    )
    @pytest.mark.usefixtures("_quick")
    def test_over_imap(self, ingest: Ingest, answer: Mood) -> None:
        with UngivenImap(answer) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            wait_until(lambda: len(ingest.subjects()) == 3)
            ingest.wait(id_, is_active)

        found = [(row.subject, row.kind) for row in ingest.arrivals()]
        assert found == [("one", "message"), ("two", "unparsed"), ("three", "message")]
        assert "could not give the mail" in ingest.arrivals()[1].error

    def test_mails_that_a_list_leaves_out_once_are_asked_for_again(self, ingest: Ingest) -> None:
        partial = "* 1 FETCH (UID 7 RFC822.SIZE 24 FLAGS ())\r\nTAG OK"
        with FaultyImap({"fetch": [partial]}, messages={7: ONE, 8: TWO, 9: THREE}) as server, running(ingest):
            ingest.add_faulty(server)
            wait_until(lambda: ingest.subjects() == ["one", "two", "three"])

    @pytest.mark.parametrize("answer", ["-ERR internal error", DROP])
    @pytest.mark.usefixtures("_quick")
    def test_over_pop3(self, ingest: Ingest, answer: Mood) -> None:
        class UngivenPop3(FaultyPop3):
            class conversation(FaultyPop3.conversation):  # type: ignore[misc, name-defined]  # noqa: N801
                def take(self, line: str) -> None:
                    if line == "RETR 2":
                        self.act(answer, "")
                    else:
                        super().take(line)

        with UngivenPop3(messages=[ONE, TWO, THREE]) as server, running(ingest):
            id_ = ingest.add_faulty(server, after="delete")
            wait_until(lambda: len(ingest.subjects()) == 3)
            ingest.wait(id_, is_active)
            wait_until(lambda: len(server.messages) == 1)

        kinds = {row.subject: row.kind for row in ingest.arrivals()}
        assert kinds == {"one": "message", "two": "unparsed", "three": "message"}
        assert server.messages == {2: TWO}  # what was not stored whole is not deleted

    @pytest.mark.parametrize(
        ("script", "offers"),
        [
            ({"uidl": "-ERR"}, ("TOP", "USER")),
            ({"uidl": "-ERR", "top": "-ERR"}, ("USER",)),
            ({}, ("TOP", "UIDL", "USER")),
            ({"top": "-ERR"}, ("UIDL", "USER")),
            ({"top": "-ERR internal error"}, ("TOP", "UIDL", "USER")),
        ],
    )
    def test_a_mail_over_both_limits_keeps_no_others_waiting_over_pop3(
        self, ingest: Ingest, script: dict[str, Mood], offers: tuple[str, ...]
    ) -> None:
        """Over that of a mail, with a header over that of headers."""
        header = b"Subject: two\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"y" * 900) for n in range(400))
        with FaultyPop3(script, messages=[ONE, header + b"\r\n", THREE], offers=offers) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, is_active)

        assert {"one", "three"} < set(ingest.subjects())
        assert sorted(bool(row.truncated) for row in ingest.arrivals()) == [False, False, True]
        assert ingest.told("mailbox.") == []


class TestAFormerAfter:
    """What was to be done is still tried; where that is refused, it does not keep the mailbox failing."""

    @pytest.mark.parametrize("after", ["keep", "seen"])
    def test_a_mailbox_recovers_from_what_its_server_does_not_offer(self, ingest: Ingest, after: str) -> None:
        with FaultyImap(messages={7: ONE}, offers=("IMAP4rev1", "AUTH=PLAIN")) as server, running(ingest):
            id_ = ingest.add_faulty(server, after="delete")
            ingest.wait(id_, is_failing)
            ingest.change(id_, after=after)
            ingest.wait(id_, is_active)

        assert [type_ for type_, _ in ingest.told("mailbox.")] == ["mailbox.failing", "mailbox.recovered"]

    @pytest.mark.usefixtures("_quick")
    def test_what_was_decided_is_done_after_a_change_to_keep(self, ingest: Ingest) -> None:
        """By SELECT, once more; then the folder is opened by EXAMINE."""
        with FaultyImap({"store": DROP}, messages={7: ONE}) as server, running(ingest):
            id_ = ingest.add_faulty(server, after="seen")
            ingest.wait(id_, is_failing)
            ingest.change(id_, after="keep")
            del server.script["store"]
            ingest.wait(id_, is_active)
            stored = next(n for n, said in reversed([*enumerate(server.commands)]) if "STORE" in said)
            ingest.resume(id_)
            wait_until(lambda: 'EXAMINE "INBOX"' in server.commands[stored:])

        assert 'SELECT "INBOX"' in server.commands[stored - 3 : stored]


class LoudImap(FaultyImap):
    """Tells of news at each IDLE, without there being any."""

    class conversation(FaultyImap.conversation):  # type: ignore[misc, name-defined]  # noqa: N801
        def do_idle(self, rest: str) -> list[str]:
            self.play("waiting", "+ idling\r\n* 1 EXISTS")
            self.line()
            return []


def test_a_server_that_tells_of_news_without_end_is_not_asked_without_end(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", _noting(threading.Event.wait, pauses))
    with LoudImap(messages={7: ONE}) as server, running(ingest):
        ingest.add_faulty(server, poll_interval=60)
        wait_until(lambda: 0.32 in pauses)
    assert [seconds for seconds in pauses if seconds in (0.02, 0.04, 0.08, 0.16, 0.32)] == [
        0.02,
        0.04,
        0.08,
        0.16,
        0.32,
    ]


def _noting(wait: Any, pauses: list[float]) -> Any:
    def noting(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is not None:
            pauses.append(timeout)
        return bool(wait(event, timeout))

    return noting


def test_nobody_logs_in_while_the_disk_is_nearly_full(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(intake, "lack_of_room", lambda _: "the disk of the data directory is nearly full")
    monkeypatch.setattr(watch, "WITHOUT_STORAGE", 0.02)
    with FaultyImap(messages={7: ONE}) as server, running(ingest):
        ingest.add_faulty(server)
        wait_until(lambda: caplog.text.count("mailboxes are not read") > 3)

    assert server.commands == []


def test_of_equal_unique_ids_those_that_arrived_are_deleted(ingest: Ingest) -> None:
    """Not the one that was there before the first look."""

    class EqualIds(FaultyPop3):
        class conversation(FaultyPop3.conversation):  # type: ignore[misc, name-defined]  # noqa: N801
            def do_uidl(self, rest: str) -> str:
                return "\r\n".join(["+OK", *(f"{number} same" for number in self.there), "."])

    with EqualIds(messages=[ONE]) as server, running(ingest):
        id_ = ingest.add_faulty(server, after="delete", first_read="new")
        ingest.wait(id_, is_active)
        server.messages[2] = TWO
        wait_until(lambda: ingest.subjects() == ["two"] and len(server.messages) == 1)

    assert server.messages == {1: ONE}
