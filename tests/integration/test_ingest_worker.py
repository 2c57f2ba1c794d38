"""The worker that reads mailboxes: what is in trouble is told once, tried again in time, and delays nobody else."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.api.exposition import exposition
from mailsvc.apps import mailbox_state
from mailsvc.apps.mailbox_row import mailbox_of
from mailsvc.apps.mailboxes import delete_mailbox, get_mailbox, pause_mailbox
from mailsvc.cli.checkup.mailboxes import look_at_mailboxes
from mailsvc.findings.record import record_arrivals
from mailsvc.inbound import arrivals, intake, trouble, watch
from mailsvc.inbox.keep import FetchedMail, keep
from mailsvc.inbox.leases import LEASE, claim, readable_mailboxes
from mailsvc.inbox.shown import ClassifiedMail
from mailsvc.mime.arrived import read_mail
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body
from mailsvc.store.tables import event
from tests.support.faultyimap import DROP, HANG, Endless, FaultyImap
from tests.support.faultypop3 import FaultyPop3
from tests.support.ingest import Ingest, running
from tests.support.postgres import Postgres
from tests.support.tables import with_tables
from tests.support.waiting import wait_until

MAIL = b"Subject: one\r\n\r\nHello.\r\n"
OTHER = b"Subject: two\r\n\r\nHello.\r\n"
REFUSED = "TAG NO [AUTHENTICATIONFAILED] wrong password"


@pytest.fixture
def ingest(database: Database, tmp_path: Path) -> Ingest:
    return Ingest(database, tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed sessions are tried again almost at once."""
    monkeypatch.setattr(trouble, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(trouble, "LONGEST_WAIT", 0.05)


def rows(database: Database, query: Any) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(query).all())


def subjects(ingest: Ingest) -> list[str]:
    found = rows(ingest.database, select(arrival.c.subject).where(arrival.c.kind.is_not(None)).order_by(arrival.c.id))
    return [row.subject for row in found]


def told(ingest: Ingest, family: str) -> list[tuple[str, str]]:
    """The type and reason of each event of this family, in their order."""
    bodies = [json.loads(row.body) for row in rows(ingest.database, select(event).order_by(event.c.position))]
    return [(body["type"], body["data"]["reason"]) for body in bodies if body["type"].startswith(family)]


def logins(server: FaultyImap) -> int:
    return sum(command.startswith("AUTHENTICATE") for command in server.commands)


def is_active(shown: dict[str, Any]) -> bool:
    return bool(shown["status"] == "active")


class TestTrouble:
    def test_a_refused_login_is_told_at_once_and_not_repeated_within_a_minute(self, ingest: Ingest) -> None:
        """Repeated refusals lock accounts."""
        with FaultyImap({"authenticate": REFUSED}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            shown = ingest.wait(id_, lambda shown: shown["status"] == "failing")

        assert (shown["status_reason"], logins(server)) == ("auth_refused", 1)
        assert "wrong password" in shown["last_error"]
        assert clock.parse_rfc3339(shown["retry_at"]) - clock.now() > 50 * clock.SECOND
        assert told(ingest, "mailbox.") == [("mailbox.failing", "auth_refused")]

    @pytest.mark.parametrize("act", ["change", "resume"])
    def test_a_change_or_a_resume_ends_the_wait(self, ingest: Ingest, act: str) -> None:
        """And the first complete look is told as the recovery."""
        with FaultyImap({"authenticate": [REFUSED]}, messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, lambda shown: shown["status"] == "failing")
            ingest.resume(id_) if act == "resume" else ingest.change(id_, poll_interval=2)
            shown = ingest.wait(id_, is_active)

        assert (shown["status_reason"], shown["retry_at"]) == (None, None)
        assert told(ingest, "mailbox.") == [("mailbox.failing", "auth_refused"), ("mailbox.recovered", "auth_refused")]
        assert subjects(ingest) == ["one"]

    @pytest.mark.parametrize(
        ("script", "reason"),
        [
            ({"connect": DROP}, "unreachable"),
            ({"examine": "TAG NO [NONEXISTENT] no such folder"}, "folder_missing"),
            ({"search": b"* SEARCH x\r\nTAG OK done\r\n"}, "protocol_error"),
            ({"fetch": Endless(b"x" * 65536)}, "protocol_error"),
        ],
    )
    @pytest.mark.usefixtures("quick")
    def test_a_failure_is_told_after_three_sessions_in_a_row(
        self, ingest: Ingest, script: dict[str, Any], reason: str
    ) -> None:
        """Once, and with the reason; before that, the mailbox only shows it."""
        with FaultyImap(script, messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            shown = ingest.wait(id_, lambda shown: shown["status"] == "failing")
            server.script.clear()
            ingest.wait(id_, is_active)

        assert shown["status_reason"] == reason
        assert told(ingest, "mailbox.") == [("mailbox.failing", reason), ("mailbox.recovered", reason)]

    @pytest.mark.parametrize(
        "script",
        [
            {"greeting": "* BYE too busy"},
            {"authenticate": "TAG NO [UNAVAILABLE] later"},
            {"authenticate": "TAG NO [LIMIT] too many simultaneous connections"},
            {"authenticate": "TAG NO [ALERT] Account exceeded command or bandwidth limits. (Failure)"},
            {"examine": "TAG NO Request is throttled. Suggested Backoff Time: 300000 milliseconds"},
        ],
    )
    @pytest.mark.usefixtures("quick")
    def test_a_server_that_asks_to_wait_fails_only_after_five_minutes(
        self, ingest: Ingest, script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Gmail, Microsoft 365 and Yahoo do so to those who ask too much."""
        with FaultyImap(script, messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, lambda shown: shown["retry_at"] is not None)
            assert ingest.shown(id_)["status"] == "starting"
            assert told(ingest, "mailbox.") == []
            monkeypatch.setattr(mailbox_state, "LONG_FAILURE", 0)
            ingest.resume(id_)
            shown = ingest.wait(id_, lambda shown: shown["status"] == "failing")

        assert shown["status_reason"] == "throttled"

    @pytest.mark.usefixtures("quick")
    def test_one_failure_is_not_told(self, ingest: Ingest) -> None:
        with FaultyImap({"search": [DROP]}, messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, is_active)

        assert told(ingest, "mailbox.") == []

    @pytest.mark.parametrize("stage", ["connect", "greeting", "authenticate", "examine", "fetch", "waiting"])
    def test_a_silent_server_delays_no_other_mailbox(self, ingest: Ingest, stage: str) -> None:
        """Each mailbox has a thread of its own; the end of the worker waits for none of them."""
        with (
            FaultyImap({stage: HANG}, messages={7: MAIL}) as silent,
            FaultyImap(messages={7: OTHER}) as server,
            running(ingest),
        ):
            ingest.add_faulty(silent, "silent")
            ingest.add_faulty(server, "other")
            wait_until(lambda: "two" in subjects(ingest))

    def test_a_large_mail_that_comes_slowly_delays_no_other(
        self, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Memory is held for mails that are complete, not for those that a server has in hand."""
        monkeypatch.setattr(ingest.worker, "_memory", intake.MemoryBudget(1))
        large = OTHER + b"x" * 300_000
        begun = b"* 1 FETCH (UID 7 BODY[]<0> {300000}\r\n" + b"x" * 1000
        with (
            FaultyImap({"fetch:2": (begun, HANG)}, messages={7: large}) as slow,
            FaultyImap(messages={7: large}) as server,
            running(ingest),
        ):
            ingest.add_faulty(slow, "slow")
            wait_until(lambda: any("BODY.PEEK" in command for command in slow.commands))
            ingest.add_faulty(server, "other")
            wait_until(lambda: "two" in subjects(ingest))

    @pytest.mark.usefixtures("quick")
    def test_a_mail_that_ends_each_session_is_stored_with_its_header_only(self, ingest: Ingest) -> None:
        """At the third time, as unparsed; the mails behind it are read."""
        with FaultyImap(messages={7: MAIL, 8: OTHER}, longer=[7]) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            wait_until(lambda: len(subjects(ingest)) == 2)
            ingest.wait(id_, is_active)

        found = rows(ingest.database, select(arrival).order_by(arrival.c.id))
        assert [(row.subject, row.kind) for row in found] == [("one", "unparsed"), ("two", "message")]
        assert "could not give the mail" in found[0].error

    def test_nothing_is_deleted_where_the_server_can_only_delete_all(self, ingest: Ingest) -> None:
        """Without UIDPLUS an EXPUNGE would remove what others marked; reading goes on, and the mailbox says so."""
        with FaultyImap(messages={7: MAIL}, offers=("IMAP4rev1", "AUTH=PLAIN")) as server, running(ingest):
            id_ = ingest.add_faulty(server, after="delete")
            shown = ingest.wait(id_, lambda shown: shown["status"] == "failing")
            server.messages[8] = OTHER
            wait_until(lambda: "two" in subjects(ingest))

        assert shown["status_reason"] == "delete_unsupported"
        assert told(ingest, "mailbox.") == [("mailbox.failing", "delete_unsupported")]
        assert not any("EXPUNGE" in command or "STORE" in command for command in server.commands)

    @pytest.mark.parametrize(
        "step", "connect greeting capability authenticate examine search fetch:1 fetch:2 waiting done".split()
    )
    @pytest.mark.usefixtures("quick")
    def test_a_connection_that_is_lost_at_any_step_loses_and_doubles_nothing(self, ingest: Ingest, step: str) -> None:
        with FaultyImap({step: [DROP]}, messages={7: MAIL, 8: OTHER}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, is_active)
            server.messages[9] = b"Subject: three\r\n\r\nHello.\r\n"
            wait_until(lambda: subjects(ingest) == ["one", "two", "three"])

    @pytest.mark.parametrize("step", ["store", "expunge"])
    @pytest.mark.usefixtures("quick")
    def test_what_is_to_be_done_on_the_server_survives_a_lost_connection(self, ingest: Ingest, step: str) -> None:
        with FaultyImap({step: [DROP]}, messages={7: MAIL}) as server, running(ingest):
            ingest.add_faulty(server, after="delete")
            wait_until(lambda: not server.messages)

        assert subjects(ingest) == ["one"]

    @pytest.mark.usefixtures("quick")
    def test_a_session_that_does_not_get_on_is_ended(self, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
        """A byte now and then keeps a connection alive, but nothing comes of it."""
        monkeypatch.setattr(watch, "LONGEST_STALL", 0.2)
        with FaultyImap({"search": [HANG]}, messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, is_active)

        assert subjects(ingest) == ["one"]

    def test_nothing_is_read_while_the_disk_is_nearly_full(
        self, ingest: Ingest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The log says so, and reading goes on by itself."""
        monkeypatch.setattr(intake, "lack_of_room", lambda _: "the disk of the data directory is nearly full")
        monkeypatch.setattr(watch, "WITHOUT_STORAGE", 0.02)
        with FaultyImap(messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            wait_until(lambda: "mailboxes are not read" in caplog.text)
            assert not rows(ingest.database, select(arrival))
            monkeypatch.setattr(intake, "lack_of_room", lambda _: None)
            ingest.wait(id_, is_active)

        assert subjects(ingest) == ["one"]
        assert told(ingest, "mailbox.") == []

    def test_a_mailbox_whose_secret_cannot_be_decrypted_delays_no_other(self, ingest: Ingest) -> None:
        """As after a change of MAILSVC_SECRET_KEY."""
        with FaultyImap(messages={7: OTHER}) as server:
            id_ = ingest.add_faulty(server, "unreadable")
            with ingest.database.write() as connection:
                connection.exec_driver_sql(f"UPDATE mailsvc_mailbox SET secret = 'x' WHERE id = '{id_}'")
            ingest.add_faulty(server, "other")
            with running(ingest):
                wait_until(lambda: subjects(ingest) == ["two"])
                shown = ingest.wait(id_, lambda shown: shown["status"] == "failing")

        assert "another MAILSVC_SECRET_KEY" in shown["last_error"]


class TestAfterACrash:
    def test_what_a_dead_process_stored_is_classified_by_the_next_one(self, ingest: Ingest) -> None:
        """One that can't be recorded does not keep the others waiting."""
        store_unclassified(ingest, MAIL, OTHER)
        with patch.object(arrivals, "record_arrivals", failing_for("one")), running(ingest):
            wait_until(lambda: subjects(ingest) == ["two"])

    def test_a_mail_that_ends_the_process_each_time_is_given_up(self, ingest: Ingest) -> None:
        """After three tries, as unparsed."""
        store_unclassified(ingest, MAIL)
        with ingest.database.write() as connection:
            connection.execute(update(arrival).values(tries=3))
        with running(ingest):
            wait_until(lambda: subjects(ingest) == [None])
        (row,) = rows(ingest.database, select(arrival))

        assert (row.kind, row.error) == ("unparsed", "The mail could not be read: the process ended each time.")
        assert rows(ingest.database, select(arrival_body))[0].content == MAIL


def failing_for(word: str) -> Callable[..., None]:
    """What records arrivals, but none that has this word."""

    def record_some(connection: Connection, mails: Sequence[ClassifiedMail], **given: Any) -> list[str]:
        if any(subject_of(connection, one.id) == word for one in mails):
            raise ValueError(word)
        return record_arrivals(connection, mails, **given)

    return record_some


def subject_of(connection: Connection, id_: str) -> str | None:
    wanted = select(arrival_body.c.content).where(arrival_body.c.arrival_id == id_)
    return read_mail(connection.execute(wanted).scalar_one()).subject


def store_unclassified(ingest: Ingest, *mails: bytes) -> None:
    """As a process that died right after the commit."""
    id_ = ingest.add(host="imap.example.test", username="jane", password="secret")
    (lease,) = claim(ingest.database, [id_], owner="dead")
    found = mailbox_of(get_mailbox(ingest.database, ingest.app_id, id_), ingest.vault)
    keep(ingest.database, lease, found, [FetchedMail(f"3:{n}", mail, len(mail)) for n, mail in enumerate(mails)])


class TestControl:
    def test_a_paused_mailbox_is_not_read_until_it_is_resumed(self, ingest: Ingest) -> None:
        """What came meanwhile is read afterwards."""
        with FaultyImap(messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, is_active)
            pause_mailbox(ingest.database, ingest.app_id, id_, reason=None)
            ingest.worker.wake()
            wait_until(lambda: id_ not in ingest.worker._held)
            server.messages[8] = OTHER
            assert subjects(ingest) == ["one"]
            ingest.resume(id_)
            wait_until(lambda: subjects(ingest) == ["one", "two"])

    def test_a_deleted_mailbox_keeps_its_arrivals(self, ingest: Ingest) -> None:
        with FaultyImap(messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, is_active)
            delete_mailbox(ingest.database, ingest.app_id, id_)
            ingest.worker.wake()
            wait_until(lambda: not ingest.worker._held)

        assert subjects(ingest) == ["one"]
        assert len(rows(ingest.database, select(arrival_body))) == 1

    def test_news_are_read_at_once_and_looked_for_regardless(self, ingest: Ingest) -> None:
        """IDLE is a hint only: a server that never tells of anything is asked at each poll interval."""
        with FaultyImap(messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, is_active)
            server.messages[8] = OTHER
            wait_until(lambda: subjects(ingest) == ["one", "two"])

        assert "IDLE" in server.commands

    def test_a_uid_that_is_given_again_is_another_mail(self, ingest: Ingest) -> None:
        """A server must not do so without another UIDVALIDITY; what is stored already is known by its content."""
        with FaultyImap(messages={7: MAIL}) as server, running(ingest):
            id_ = ingest.add_faulty(server)
            ingest.wait(id_, is_active)
            server.messages.clear()
            server.messages.update({2: MAIL, 3: OTHER})
            ingest.resume(id_)
            wait_until(lambda: "two" in subjects(ingest))

        assert subjects(ingest) == ["one", "two"]


class TestLeases:
    def test_workers_share_the_mailboxes_and_take_over_those_of_one_that_vanished(
        self, database: Database, tmp_path: Path
    ) -> None:
        """Each is read by one process at a time."""
        with FaultyImap(messages={7: MAIL}) as server:
            first = Ingest(database, tmp_path)
            for number in range(6):
                first.add_faulty(server, f"box{number}")
            second = Ingest(database, tmp_path)
            for one in (first, second):
                with database.write() as connection:
                    one.worker._context.heartbeat._count_workers(connection, database.now())
                one.worker._context.heartbeat._joined_alone = True
            with running(first):
                wait_until(lambda: len(first.worker._held) == 3)
                with running(second):
                    wait_until(lambda: len(second.worker._held) == 3)
                    assert set(first.worker._held).isdisjoint(second.worker._held)
                    wait_until(lambda: len(subjects(first)) == 6)

    def test_a_lease_ends_by_itself(self, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who vanished renews nothing."""
        with FaultyImap(messages={7: MAIL}) as server:
            id_ = ingest.add_faulty(server)
            with ingest.database.write() as connection:
                until = ingest.database.now() + LEASE
                held = "UPDATE mailsvc_mailbox_cursor SET lease_owner = 'gone', lease_token = 1, leased_until = "
                connection.exec_driver_sql(f"{held}{until}")
            with running(ingest):
                wait_until(lambda: ingest.worker._renewed_at > 0)
                assert not ingest.worker._held
                monkeypatch.setattr(ingest.database._steady, "now", lambda: clock.now() + LEASE)
                ingest.wait(id_, is_active)
            with ingest.database.read() as connection:
                (row,) = readable_mailboxes(connection)

        assert (row.lease_token, row.leased_until) == (2, None)


def test_pop3_mailboxes_are_read_by_the_same_worker(ingest: Ingest) -> None:
    with FaultyPop3(messages=[MAIL, OTHER]) as server, running(ingest):
        id_ = ingest.add_faulty(server, after="delete")
        ingest.wait(id_, is_active)
        wait_until(lambda: not server.messages)

    assert subjects(ingest) == ["one", "two"]


@pytest.mark.parametrize("offers", [None, ("TOP", "USER"), ("USER",)])
def test_without_uidl_mails_are_known_by_their_header(ingest: Ingest, offers: tuple[str, ...] | None) -> None:
    """Or by their content, where the server gives no headers alone."""
    refused = {"uidl": "-ERR unknown", **({} if offers and "TOP" in offers else {"top": "-ERR unknown"})}
    with FaultyPop3(refused, messages=[MAIL, MAIL], offers=offers) as server, running(ingest):
        id_ = ingest.add_faulty(server)
        ingest.wait(id_, is_active)
        server.messages[3] = OTHER
        wait_until(lambda: "two" in subjects(ingest))

    assert sorted(subjects(ingest)) == ["one", "one", "two"]


def test_reading_goes_on_when_the_database_is_back(own_postgres: Postgres, tmp_path: Path) -> None:
    """What came meanwhile is read once."""
    database = with_tables(own_postgres.fresh_database())
    ingest = Ingest(database, tmp_path)
    with FaultyImap(messages={7: MAIL}) as server, running(ingest):
        id_ = ingest.add_faulty(server)
        ingest.wait(id_, is_active)
        own_postgres.stop()
        server.messages[8] = OTHER
        own_postgres.start()
        wait_until(lambda: database_is_back(ingest))
        wait_until(lambda: subjects(ingest) == ["one", "two"])
    database.close()


def database_is_back(ingest: Ingest) -> bool:
    try:
        return bool(subjects(ingest))
    except SQLAlchemyError:
        return False


def test_the_doctor_and_the_metrics_name_what_is_wrong(ingest: Ingest) -> None:
    with FaultyImap({"authenticate": REFUSED}) as server, running(ingest):
        id_ = ingest.add_faulty(server)
        ingest.wait(id_, lambda shown: shown["status"] == "failing")
        findings = {finding.check: finding for finding in look_at_mailboxes(ingest.database)}
        metrics = exposition(ingest.database, {}).decode()

    assert findings["mailbox support"].level == "problem"
    assert "auth_refused" in findings["mailbox support"].said
    assert 'mailsvc_mailboxes{status="failing"} 1.0' in metrics
    assert f'mailsvc_mailbox_lag_seconds{{mailbox="{id_}",name="support"}}' in metrics
