"""What a process holds in PostgreSQL when it is stopped in the middle of a transaction."""

import contextlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from mailsvc.runtime.heartbeat import Heartbeat
from mailsvc.runtime.resultwriter import ResultWriter
from mailsvc.store import migrate
from mailsvc.store.bulk import Statement, carry_out
from mailsvc.store.database import Database, commits_in_turn, is_away
from tests.support.postgres import Postgres

TURN = commits_in_turn("postgresql")
HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
SLOW = [Statement("SELECT pg_sleep(2)")]


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    database = Database(postgres.fresh_database(), lock_seconds=1)
    yield database
    database.close()


@pytest.fixture
def frozen(database: Database) -> Iterator[Database]:
    """Of another process, which stands still between two statements of a pipeline and holds the turn to commit.

    The server doesn't take it for idle, so that no timeout of its own ends it.
    """
    other = Database(database.url.render_as_string(hide_password=False))
    driver = other.engine.raw_connection().driver_connection
    assert isinstance(driver, psycopg.Connection)
    with contextlib.suppress(psycopg.OperationalError), driver.pipeline():
        driver.execute(TURN[0].sql)
        yield other
    other.close()


def test_a_frozen_client_blocks_others_only_briefly(database: Database, frozen: Database) -> None:
    """What waits for its lock is written as soon as patience is over."""
    written = threading.Event()
    writer: ResultWriter[str] = ResultWriter(
        database, write=lambda connection, _: carry_out(connection, TURN), settled=lambda _: written.set(), linger=0
    )
    writer.put("a result")

    assert written.wait(10)
    writer.stop(1)


def test_a_heartbeat_ends_frozen_sessions(database: Database, frozen: Database) -> None:
    """Claims pass over locked rows without a word: those of a frozen worker must come free all the same."""
    migrate.upgrade(database)
    heartbeat = Heartbeat(database, ("deliver",))
    heartbeat.join()
    assert is_held(database)
    deadline = time.monotonic() + 10
    while is_held(database):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        heartbeat.beat()


def is_held(database: Database) -> bool:
    with database.read() as connection:
        return connection.execute(text(HELD)).scalar_one() > 0


def test_a_lock_timeout_is_reported_as_an_unavailable_database(database: Database, frozen: Database) -> None:
    """Nothing is wrong with the statement: it is to be tried again."""
    with pytest.raises(OperationalError) as failure, database.write() as connection:
        carry_out(connection, TURN)

    assert is_away(failure.value)


def test_a_working_client_keeps_its_transaction(database: Database) -> None:
    """A long statement is waited for; it is not ended."""
    other = Database(database.url.render_as_string(hide_password=False))
    with other.write() as busy:
        carry_out(busy, TURN)
        statement = threading.Thread(target=carry_out, args=(busy, [*TURN, *SLOW]))
        statement.start()
        with pytest.raises(OperationalError), database.write() as connection:
            carry_out(connection, TURN)
        statement.join()
    other.close()
