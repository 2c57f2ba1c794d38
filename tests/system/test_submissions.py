"""Applications that only insert: in any language, killed at any moment, with transactions that stay open."""

import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mailsvc.store.database import Database
from tests.support.postgres import Postgres
from tests.support.queuecheck import Ledger, dots_in_flight, judge, wait_until_done
from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.support.waiting import wait_until

RunService = Callable[..., Service]
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


class Application:
    """A program with a connection of its own to the service's database, by the plain driver.

    Args:
        url: of PostgreSQL; empty for the service's own file.
    """

    def __init__(self, service: Service, url: str) -> None:
        self._service, self._url = service, url
        self._mark = "%s" if url else "?"

    @property
    def url(self) -> str:
        return self._url or f"sqlite:///{self._service.data_dir / 'mailsvc.db'}"

    def connect(self) -> Any:
        if self._url:
            return psycopg.connect(self._url.replace("+psycopg", ""))
        connection = sqlite3.connect(self._service.data_dir / "mailsvc.db", timeout=30, isolation_level="IMMEDIATE")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def insert(self, connection: Any, recipient: str, **columns: Any) -> str:
        """Insert a mail into the transaction that is open. Returns its id."""
        draft = json.dumps({"from": "app@app.test", "to": recipient, "subject": "x", "text": "y" * 300})
        names = ["draft", *columns]
        sql = f"INSERT INTO mailsvc_submission ({', '.join(names)}) VALUES ({', '.join([self._mark] * len(names))})"
        return str(connection.execute(sql + " RETURNING id", [draft, *columns.values()]).fetchone()[0])

    def execute(self, sql: str, *values: Any) -> None:
        connection = self.connect()
        connection.execute(sql.replace("?", self._mark), values)
        connection.commit()
        connection.close()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    started = Receiver(tmp_path / "receiver")
    yield started
    started.stop()


@pytest.fixture
def application(
    kind: str, run_service: RunService, receiver: Receiver, request: pytest.FixtureRequest
) -> tuple[Service, Application]:
    url = request.getfixturevalue("postgres").fresh_database() if kind == "postgresql" else ""
    service = run_service(relay_url=receiver.relay_url, **({"database_url": url} if url else {}))
    return service, Application(service, url)


def _received(receiver: Receiver) -> set[str]:
    return {line.split()[1] for line in receiver.received()}


@KINDS
@pytest.mark.timeout(600)
def test_a_service_that_is_killed_takes_each_row_up_exactly_once(
    application: tuple[Service, Application], receiver: Receiver
) -> None:
    """Rows that were rolled back are no mail; of those that were committed, none is lost and none doubled."""
    service, program = application
    chance, ledger, dots = random.Random(os.environ.get("MAILSVC_TEST_SEED", "1")), Ledger(), 0
    rows, rolled_back = 1500, []
    inserted = threading.Event()

    def insert_all() -> None:
        own = random.Random(7)
        connection, count = program.connect(), 0
        while count < rows:
            size = min(own.choice((1, 3, 40)), rows - count)
            ids = [program.insert(connection, f"user{own.randrange(10**9)}@example.test") for _ in range(size)]
            count += size
            if own.random() < 0.2:
                connection.rollback()
                rolled_back.extend(ids)
            else:
                connection.commit()
                committed.extend(ids)
            time.sleep(0.02)  # so that there are rows at each kill
        connection.close()
        inserted.set()

    committed: list[str] = []
    thread = threading.Thread(target=insert_all, daemon=True)
    thread.start()
    kills = 0
    while not inserted.is_set() or kills < 6:
        time.sleep(chance.uniform(0.05, 0.8))  # the moment of the kill is the subject, not synchronisation
        service.kill9()
        kills, dots = kills + 1, dots + dots_in_flight(service)
        service.start()
    thread.join()
    store = Database(program.url)
    wait_until(lambda: _count(store, "mailsvc_submission") == 0)
    wait_until_done(store)
    ledger.promised = set(receiver.received())
    verdict = judge(store, ledger, receiver.received())
    with store.read() as connection:
        stored = set(connection.exec_driver_sql("SELECT id FROM mailsvc_message").scalars())
    store.close()
    print(f"\n{program.url[:10]}: {kills} kills, {len(committed)} rows, {verdict}, dots in flight {dots}")
    assert stored == set(committed) and not stored.intersection(rolled_back)
    assert len({line.split()[0] for line in receiver.received()}) == len(committed)
    assert (verdict.unexpected, verdict.unfinished, verdict.untold) == (0, 0, 0), service.log()
    assert verdict.duplicated <= dots


def _count(store: Database, table: str) -> int:
    with store.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())  # noqa: S608


@KINDS
def test_a_transaction_that_stays_open_delays_nobody_on_postgresql(
    kind: str, application: tuple[Service, Application], receiver: Receiver
) -> None:
    _, program = application
    if kind == "sqlite":
        pytest.skip("SQLite has one writer: see docs/submissions.md")
    open_one = program.connect()
    program.insert(open_one, "open@example.test", idempotency_key="k")
    other = program.connect()
    program.insert(other, "first@example.test", idempotency_key="k")
    program.insert(other, "second@example.test")
    other.commit()
    wait_until(lambda: _received(receiver) == {"first@example.test", "second@example.test"})
    open_one.rollback()
    program.insert(open_one, "third@example.test")
    open_one.commit()
    wait_until(lambda: "third@example.test" in _received(receiver))
    assert "open@example.test" not in _received(receiver)


@KINDS
def test_a_savepoint_that_is_rolled_back_takes_its_mail_back(
    application: tuple[Service, Application], receiver: Receiver
) -> None:
    _, program = application
    connection = program.connect()
    program.insert(connection, "outer@example.test")
    connection.execute("SAVEPOINT s")
    program.insert(connection, "inner@example.test")
    connection.execute("ROLLBACK TO SAVEPOINT s")
    connection.commit()
    program.insert(connection, "later@example.test")
    connection.commit()
    wait_until(lambda: _received(receiver) >= {"outer@example.test", "later@example.test"})
    assert "inner@example.test" not in _received(receiver)


@KINDS
def test_a_trigger_of_the_database_sends_mail(
    kind: str, application: tuple[Service, Application], receiver: Receiver
) -> None:
    _, program = application
    program.execute("CREATE TABLE orders (number text PRIMARY KEY, email text NOT NULL)")
    for statement in _TRIGGERS[kind]:
        program.execute(statement)
    program.execute("INSERT INTO orders VALUES ('17', 'ann@example.test')")
    wait_until(lambda: _received(receiver) == {"ann@example.test"})


_TRIGGERS = {
    "postgresql": (
        """
        CREATE FUNCTION send_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO mailsvc_submission (draft, idempotency_key)
          VALUES (json_build_object('from', 'shop@shop.test', 'to', NEW.email, 'text', 'Thanks for order ' || NEW.number),
                  'receipt-' || NEW.number);
          RETURN NEW;
        END $$
        """,
        "CREATE TRIGGER receipts AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION send_receipt()",
    ),
    "sqlite": (
        """
        CREATE TRIGGER receipts AFTER INSERT ON orders BEGIN
          INSERT INTO mailsvc_submission (draft, idempotency_key)
          VALUES (json_object('from', 'shop@shop.test', 'to', NEW.email, 'text', 'Thanks for order ' || NEW.number),
                  'receipt-' || NEW.number);
        END
        """,
    ),
}


def test_several_services_on_one_database_share_the_work(
    run_service: RunService, receiver: Receiver, postgres: Postgres
) -> None:
    url = postgres.fresh_database()
    options = {"relay_url": receiver.relay_url, "database_url": url, "secret_key": "k" * 40}
    program = Application(run_service("one", **options), url)
    run_service("two", start=False, **options, roles="intake").start(wait=False)
    connection = program.connect()
    for n in range(40):
        for m in range(50):
            program.insert(connection, f"user{n}-{m}@example.test")
        connection.commit()
    wait_until(lambda: len(receiver.received()) == 2000)
    store = Database(url)
    wait_until_done(store)
    store.close()
    assert set(receiver.received().values()) == {1}
