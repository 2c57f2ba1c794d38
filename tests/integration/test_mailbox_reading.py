"""Reading a mailbox of a real Dovecot: each mail becomes one arrival and one event, whatever happens in between."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from imapclient import imap_utf7

from mailsvc.imap.session import Session as ImapSession
from mailsvc.inbound import imap_reader, imap_watch, pop3_reader, pop3_watch
from mailsvc.inbound.arrivals import ArrivalRecorder
from mailsvc.inbox.backlog import take_backlog
from mailsvc.inbox.leases import LeaseLost
from mailsvc.pop3.session import Session as Pop3Session
from mailsvc.store.database import Database
from tests.support.imapclient import second_client
from tests.support.mailhost import MailHost
from tests.support.reading import Crash, Reading, crash_at, in_mailhost_of

_NAMES = count(1)
Open = Callable[..., Reading]


@pytest.fixture
def open_reading(database: Database, mailhost: MailHost, tmp_path: Path) -> Open:
    """Opens a mailbox of a new user."""

    def open_(protocol: str = "imap", **form: Any) -> Reading:
        name = f"reading{next(_NAMES)}"
        return Reading(database, tmp_path, **in_mailhost_of(mailhost, name, protocol), **form)

    return open_


def mail(n: int | str, text: str = "Hello.") -> bytes:
    return f"From: jane@example.test\r\nSubject: {n}\r\nMessage-ID: <{n}@example.test>\r\n\r\n{text}\r\n".encode()


def flags_of(client: Any) -> dict[str, bytes]:
    """The flags of each mail by its subject, as another client sees them."""
    client.noop()
    _, answer = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return {
        part[1].decode().removeprefix("Subject: ").strip(): part[0].split(b"FLAGS (")[1].split(b")")[0]
        for part in answer
        if isinstance(part, tuple)
    }


BOTH = pytest.mark.parametrize("protocol", ["imap", "pop3"])


@BOTH
def test_each_mail_becomes_one_arrival_and_one_event(open_reading: Open, mailhost: MailHost, protocol: str) -> None:
    """Byte for byte; the next look brings only what is new; the sequence of events has no gap."""
    reading = open_reading(protocol)
    for n in range(5):
        mailhost.deliver(reading.user.username, mail(n))
    reading.look()
    mailhost.deliver(reading.user.username, mail(5))
    reading.look()
    reading.look()

    assert sorted(reading.raw()) == [mail(n) for n in range(6)]
    assert sorted(reading.told()) == [str(n) for n in range(6)]
    assert [event["sequence"] for event in reading.events()] == [1, 2, 3, 4, 5, 6]
    assert {row.kind for row in reading.arrivals()} == {"message"}
    assert mailhost.stored(reading.user.username) == 6


@BOTH
def test_what_was_there_before_the_first_look_is_left_alone(
    open_reading: Open, mailhost: MailHost, protocol: str
) -> None:
    """With first_read: new."""
    reading = open_reading(protocol, first_read="new")
    mailhost.deliver(reading.user.username, mail("old"))
    reading.look()
    mailhost.deliver(reading.user.username, mail("new"))
    reading.look()

    assert reading.subjects() == ["new"]


@BOTH
def test_equal_mails_are_as_many_arrivals(open_reading: Open, mailhost: MailHost, protocol: str) -> None:
    """Each has a UID or unique-id of its own."""
    reading = open_reading(protocol)
    for _ in range(3):
        mailhost.deliver(reading.user.username, mail("same"))
    reading.look()
    mailhost.deliver(reading.user.username, mail("same"))
    reading.look()

    assert reading.subjects() == ["same"] * 4


@BOTH
def test_a_new_process_goes_on_where_the_last_one_ended(open_reading: Open, mailhost: MailHost, protocol: str) -> None:
    reading = open_reading(protocol)
    mailhost.deliver(reading.user.username, mail(1))
    reading.look()
    reading.begin()
    mailhost.deliver(reading.user.username, mail(2))
    reading.look()

    assert reading.told() == ["1", "2"]


@BOTH
def test_whoever_lost_the_lease_stores_nothing(open_reading: Open, mailhost: MailHost, protocol: str) -> None:
    """Two processes that read one mailbox at the same time would tell of each mail twice."""
    reading = open_reading(protocol)
    slow = reading.begin()
    reading.begin()
    mailhost.deliver(reading.user.username, mail(1))
    with pytest.raises(LeaseLost):
        slow.run_session()
    reading.look()

    assert reading.told() == ["1"]


@BOTH
def test_of_a_mail_over_the_limit_only_the_header_is_stored(
    open_reading: Open, mailhost: MailHost, protocol: str
) -> None:
    """The arrival says so, and the others are read."""
    reading = open_reading(protocol)
    reading.settings = type(reading.settings)(data_dir=reading.settings.data_dir, max_inbound_bytes=400_000)
    mailhost.deliver(reading.user.username, mail("large", "x" * 76 + "\r\n" * 200_000))
    mailhost.deliver(reading.user.username, mail("small"))
    reading.look()

    rows = {row.subject: row for row in reading.arrivals()}
    assert rows["large"].truncated
    assert rows["large"].size > 400_000
    assert not rows["small"].truncated


# What happens to the mail on the server


def test_keep_leaves_every_flag_as_it_is(open_reading: Open, mailhost: MailHost) -> None:
    """Not even the mark of the recent is taken away: the folder is opened by EXAMINE."""
    reading = open_reading("imap", after="keep")
    mailhost.deliver(reading.user.username, mail(1))
    reading.look()

    assert flags_of(second_client(mailhost, reading.user)) == {"1": rb"\Recent"}


def test_seen_marks_what_arrived_and_nothing_else(open_reading: Open, mailhost: MailHost) -> None:
    """Mails from before the first look and those that others deleted keep their flags."""
    reading = open_reading("imap", after="seen", first_read="new")
    mailhost.deliver(reading.user.username, mail("old"))
    reading.look()
    client = second_client(mailhost, reading.user)
    mailhost.deliver(reading.user.username, mail("new"))
    client.noop()
    client.store("1", "+FLAGS", r"(\Deleted)")
    reading.look()

    found = flags_of(client)
    assert rb"\Seen" in found["new"]
    assert found["old"].replace(rb"\Recent", b"").strip() == rb"\Deleted"


def test_delete_removes_what_arrived_and_nothing_that_others_marked(open_reading: Open, mailhost: MailHost) -> None:
    """UID EXPUNGE of our own UIDs only."""
    reading = open_reading("imap", after="delete", first_read="new")
    mailhost.deliver(reading.user.username, mail("old"))
    reading.look()
    client = second_client(mailhost, reading.user)
    client.store("1", "+FLAGS", r"(\Deleted)")
    mailhost.deliver(reading.user.username, mail("new"))
    reading.look()

    assert list(flags_of(client)) == ["old"]
    assert reading.tasks() == 0


@pytest.mark.parametrize("folder", ["Done", 'Größe & Co "q"', "Done.2026"])
def test_move_puts_what_arrived_into_a_folder_that_it_makes(
    open_reading: Open, mailhost: MailHost, folder: str
) -> None:
    """Whatever its name."""
    reading = open_reading("imap", after=f"move:{folder}")
    for n in (1, 2):
        mailhost.deliver(reading.user.username, mail(n))
    assert reading.look() is None

    assert sorted(reading.subjects()) == ["1", "2"]
    assert reading.tasks() == 0
    assert mailhost.stored(reading.user.username) == 0


def test_drafts_are_left_alone_and_deleted_mails_are_read(open_reading: Open, mailhost: MailHost) -> None:
    reading = open_reading("imap")
    client = second_client(mailhost, reading.user)
    client.append("INBOX", r"(\Draft)", None, mail("draft"))
    client.append("INBOX", r"(\Deleted)", None, mail("deleted"))
    client.append("INBOX", r"(\Seen)", None, mail("seen"))
    reading.look()

    assert sorted(reading.subjects()) == ["deleted", "seen"]


def test_a_change_of_uidvalidity_makes_no_arrival_twice(open_reading: Open, mailhost: MailHost) -> None:
    """Known by content, and counted: one more copy than was stored is new; so is what came meanwhile."""
    reading = open_reading("imap", after="keep")
    for subject in ("a", "same", "same"):
        mailhost.deliver(reading.user.username, mail(subject))
    reading.look()
    mailhost.forget_uids(reading.user.username)
    for subject in ("same", "b"):
        mailhost.deliver(reading.user.username, mail(subject))
    reading.look()
    reading.look()

    assert sorted(reading.subjects()) == ["a", "b", "same", "same", "same"]
    validities = {row.uid.partition(":")[0] for row in reading.arrivals()}
    assert len(validities) == 1


def test_a_change_of_uidvalidity_brings_nothing_from_before_the_first_look(
    open_reading: Open, mailhost: MailHost
) -> None:
    reading = open_reading("imap", first_read="new")
    mailhost.deliver(reading.user.username, mail("old"))
    reading.look()
    mailhost.forget_uids(reading.user.username)
    reading.look()

    assert reading.subjects() == []


@pytest.mark.parametrize("folder", ["Support", "Größe & Co", 'with "quotes" and \\', "a.b c"])
def test_folders_of_any_name_are_watched(open_reading: Open, mailhost: MailHost, folder: str) -> None:
    reading = open_reading("imap", folder=folder)
    client = second_client(mailhost, reading.user)
    name = imap_utf7.encode(folder).decode().replace("\\", "\\\\").replace('"', '\\"')
    assert client.create(f'"{name}"')[0] == "OK"
    assert client.append(f'"{name}"', None, None, mail(1))[0] == "OK"
    reading.look()

    assert reading.subjects() == ["1"]


# Crashes: after each, a new process begins

CRASHES_OF_IMAP = {
    "before the commit": (imap_reader.FolderReader, "_store", "before"),
    "after the commit": (ArrivalRecorder, "record", "before"),
    "after the event": (ArrivalRecorder, "record", "after"),
    "before it is done to the mail": (imap_watch, "carry_out_tasks", "before"),
    "after STORE": (ImapSession, "mark_seen", "after"),
    "after MOVE": (ImapSession, "move", "after"),
    "after EXPUNGE": (ImapSession, "expunge", "after"),
    "when all is done": (imap_watch, "carry_out_tasks", "after"),
}


@pytest.mark.parametrize("point", CRASHES_OF_IMAP)
@pytest.mark.parametrize("after", ["keep", "seen", "move:Done", "delete"])
def test_a_crash_loses_and_doubles_nothing_over_imap(
    open_reading: Open, mailhost: MailHost, after: str, point: str
) -> None:
    """Nothing is deleted or moved before it was stored, and in the end all is done."""
    reading = open_reading("imap", after=after)
    for n in range(3):
        mailhost.deliver(reading.user.username, mail(n))
    target, method, when = CRASHES_OF_IMAP[point]
    with crash_at(target, method, when):
        try:
            reading.look()
        except Crash:
            assert mailhost.stored(reading.user.username) + len(reading.raw()) >= 3
    classify_what_is_left(reading)
    reading.look()

    assert sorted(reading.told()) == ["0", "1", "2"]
    assert sorted(reading.raw()) == [mail(0), mail(1), mail(2)]
    assert reading.tasks() == 0
    assert mailhost.stored(reading.user.username) == (3 if after in ("keep", "seen") else 0)


CRASHES_OF_POP3 = {
    "before the commit": (pop3_reader.Pop3Reader, "_store", "before"),
    "after the commit": (ArrivalRecorder, "record", "before"),
    "after the event": (ArrivalRecorder, "record", "after"),
    "before DELE": (Pop3Session, "delete", "before"),
    "after DELE": (Pop3Session, "delete", "after"),
    "after QUIT": (Pop3Session, "quit", "after"),
    "when all is done": (pop3_watch, "drop_tasks", "after"),
}


@pytest.mark.parametrize("point", CRASHES_OF_POP3)
@pytest.mark.parametrize("after", ["keep", "delete"])
def test_a_crash_loses_and_doubles_nothing_over_pop3(
    open_reading: Open, mailhost: MailHost, after: str, point: str
) -> None:
    """Deleted is only what was stored; without the OK to QUIT it is deleted again."""
    reading = open_reading("pop3", after=after)
    for n in range(3):
        mailhost.deliver(reading.user.username, mail(n))
    target, method, when = CRASHES_OF_POP3[point]
    with crash_at(target, method, when), pytest.raises(Crash):
        reading.look()
    assert mailhost.stored(reading.user.username) + len(reading.raw()) >= 3
    classify_what_is_left(reading)
    reading.look()

    assert sorted(reading.told()) == ["0", "1", "2"]
    assert sorted(reading.raw()) == [mail(0), mail(1), mail(2)]
    assert reading.tasks() == 0
    assert mailhost.stored(reading.user.username) == (3 if after == "keep" else 0)


def classify_what_is_left(reading: Reading) -> None:
    """As a worker does at its start."""
    while kept := take_backlog(reading.database, received_before=reading.database.now()):
        reading.recorder.record(kept)


def test_a_folder_that_cannot_be_made_is_told_and_reading_goes_on(open_reading: Open, mailhost: MailHost) -> None:
    """The mails stay where they are until the folder is there."""
    reading = open_reading("imap", after="move:no/such/folder")
    mailhost.deliver(reading.user.username, mail(1))
    trouble = reading.look()
    mailhost.deliver(reading.user.username, mail(2))
    reading.look()

    assert trouble is not None
    assert trouble.reason == "folder_missing"
    assert sorted(reading.subjects()) == ["1", "2"]
    assert mailhost.stored(reading.user.username) == 2
    assert reading.tasks() == 2
