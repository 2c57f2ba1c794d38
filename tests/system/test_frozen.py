"""A worker that stood still for longer than its lease: others do its work, and it does not do it again."""

import fcntl
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import func, select

from mailsvc.store.database import Database
from mailsvc.store.tables import delivery
from tests.support.queuecheck import Ledger, verdict_on
from tests.support.receiver import Receiver
from tests.support.service import Service

RunService = Callable[..., Service]
MESSAGES, CONNECTIONS = 2000, 4


@pytest.mark.timeout(150)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_frozen_worker_sends_nothing_that_it_lost(
    run_service: RunService, tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    """Only what was between its dot and the reply, one on each connection, may come twice."""
    receiver, ledger = Receiver(tmp_path / "receiver"), Ledger()
    url = request.getfixturevalue("postgres").fresh_database() if database == "postgresql" else ""
    settings = {"relay_url": f"{receiver.relay_url}&max_connections={CONNECTIONS}", "lease_seconds": "2"}
    settings |= {"database_url": url} if url else {}
    service = run_service(**settings)
    service.see_one_through()
    hand_in(service, ledger)
    frozen = service.process("mailsvc-worker")
    wait_for(lambda: sum(receiver.received().values()) > MESSAGES // 20, service)
    freeze(frozen, service, harmless if not url else holds_a_lock_of(url))
    run_service(start=False, roles="deliver", **settings).start(wait=False)
    store = Database(url or f"sqlite:///{service.data_dir / 'mailsvc.db'}")
    wait_for(lambda: waiting(store) == 0, service)
    frozen.send_signal(signal.SIGCONT)
    service.see_one_through()
    store.close()
    verdict = verdict_on(service, ledger, receiver, url)
    print(f"\n{database}: {verdict}")

    assert verdict.keeps_the_promise(MESSAGES, duplicates=CONNECTIONS), service.log()


def freeze(worker: psutil.Process, service: Service, is_moment: Callable[[Service], bool]) -> None:
    """Stop it at such a moment, or at any if there is none in a hundred tries."""
    for _ in range(100):
        worker.send_signal(signal.SIGSTOP)
        wait_for(lambda: worker.status() == psutil.STATUS_STOPPED, service)
        if is_moment(service):
            return
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.01)
    worker.send_signal(signal.SIGSTOP)


def harmless(service: Service) -> bool:
    """It is not SQLite's one writer: in the middle of a write, everybody would wait for it."""
    return all(map(is_free, service.data_dir.glob("mailsvc.db.lock*")))


def holds_a_lock_of(url: str) -> Callable[[Service], bool]:
    """It is in the middle of a pipeline, where PostgreSQL has no timeout for it: the worst moment."""

    def is_moment(_: Service) -> bool:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            return connection.execute(_STUCK).fetchone() == (True,)

    return is_moment


_STUCK = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE datname = current_database()"
    " AND state = 'active' AND wait_event = 'ClientRead' AND mode IN ('RowExclusiveLock', 'ExclusiveLock'))"
)


def is_free(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def hand_in(service: Service, ledger: Ledger) -> None:
    with service.client() as client:
        for start in range(0, MESSAGES, 500):
            batch = [
                {"from": "app@app.test", "to": f"user{start + n}@example.test", "text": "x" * 2000} for n in range(500)
            ]
            for entry in client.post("/v1/messages/batch", json={"messages": batch}).json()["data"]:
                ledger.add(entry)


def waiting(store: Database) -> int:
    with store.read() as connection:
        unfinished = select(func.count()).select_from(delivery).where(delivery.c.due_at.is_not(None))
        return int(connection.execute(unfinished).scalar_one())


def wait_for(condition: Callable[[], bool], service: Service) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, service.log()
        time.sleep(0.01)
