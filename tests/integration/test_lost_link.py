"""PostgreSQL's link breaks in the middle of a commit, which the server carries out all the same."""

import os
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import psycopg
import pytest
from sqlalchemy import func, select

from mailsvc.domain.errors import Unavailable
from mailsvc.domain.relay import Relay
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.outbox.shared_commit import SharedCommit
from mailsvc.store.database import Database
from mailsvc.store.tables import message
from tests.support.messages import a_message
from tests.support.postgres import Postgres
from tests.support.tables import with_tables

SLOW_COMMIT = """
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON mailsvc_message DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait()
"""
WAITING = "SELECT client_port FROM pg_stat_activity WHERE datname = current_database() AND wait_event = %s"


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    database = with_tables(postgres.fresh_database())
    yield database
    database.close()


@pytest.fixture
def server(database: Database) -> Iterator["psycopg.Connection[tuple[int]]"]:
    """Nobody's commit comes to its end before this session lets go of a lock."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SLOW_COMMIT)
        connection.execute("SELECT pg_advisory_lock(1)")
        yield connection


def port_of_who_waits(server: "psycopg.Connection[tuple[int]]", event: str) -> int:
    deadline = time.monotonic() + 10
    while not (found := server.execute(WAITING, [event]).fetchone()):
        assert time.monotonic() < deadline, f"nobody waits for {event}"
        threading.Event().wait(0.01)
    return found[0]


def break_link(port: int) -> None:
    """Of this process's, from that port: the client notices at once, and the server when it has committed."""
    (link,) = (c for c in psutil.Process().net_connections("tcp4") if c.laddr.port == port)
    with socket.socket(fileno=os.dup(link.fd)) as own:
        own.shutdown(socket.SHUT_RDWR)


def test_a_commit_that_succeeds_on_a_lost_connection_is_answered(
    database: Database, server: "psycopg.Connection[tuple[int]]"
) -> None:
    """The repeat looks while the commit is under way, and finds the message only when it can't write it a second time."""
    intake = SharedCommit(database, ring=lambda: None)
    relay = Relay(id="rly_a", name="a", host="127.0.0.1")
    request = IntakeRequest("app_1", [a_message(relay=relay, now=database.now())], lambda _: Answer(202, b"{}"))
    intake.hand_in(request)
    break_link(port_of_who_waits(server, "advisory"))
    port_of_who_waits(server, "transactionid")
    server.execute("SELECT pg_advisory_unlock(1)")

    assert request.done.result(10).status == 202
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(message)).scalar_one() == 1
    intake.stop()


def test_a_retry_after_response_says_that_the_message_may_be_stored(
    database: Database, server: "psycopg.Connection[tuple[int]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that believed it to be lost would send it a second time under another key."""
    monkeypatch.setattr("mailsvc.outbox.shared_commit.PATIENCE", 0)
    intake = SharedCommit(database, ring=lambda: None)
    relay = Relay(id="rly_a", name="a", host="127.0.0.1")
    request = IntakeRequest("app_1", [a_message(relay=relay, now=database.now())], lambda _: Answer(202, b"{}"))
    intake.hand_in(request)
    break_link(port_of_who_waits(server, "advisory"))

    with pytest.raises(Unavailable, match="may have kept it"):
        request.done.result(10)
    server.execute("SELECT pg_advisory_unlock(1)")
    intake.stop()
