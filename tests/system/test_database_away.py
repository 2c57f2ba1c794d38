"""PostgreSQL stopped and started, and its sessions ended, under load: clients are told to come back, and nothing is lost."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.postgres import Postgres
from tests.support.queuecheck import Clients, Ledger, verdict_on
from tests.support.receiver import Receiver
from tests.support.service import Service

RunService = Callable[..., Service]
MESSAGES = 800
MESSAGE = {"from": "app@app.test", "to": "user@example.test", "subject": "Hi", "text": "Hello"}


def stop_and_start(postgres: Postgres) -> None:
    postgres.stop("immediate")
    threading.Event().wait(4)  # how long it is away is the subject, not synchronisation
    postgres.start()


def end_all_sessions(postgres: Postgres) -> None:
    for _ in range(5):
        postgres.kill_backends()
        threading.Event().wait(0.2)


def test_meanwhile_the_process_answers_for_itself(run_service: RunService, own_postgres: Postgres) -> None:
    """Sixty requests that wait for a database don't keep the sixty-first from learning that the process lives."""
    service = run_service(database_url=own_postgres.fresh_database())
    service.see_one_through()
    own_postgres.stop("immediate")
    with ThreadPoolExecutor(60) as pool, service.client() as client:
        waiting = [pool.submit(client.post, "/v1/messages", json=MESSAGE) for _ in range(60)]
        slowest = 0.0
        for _ in range(20):
            begun = time.monotonic()
            assert 200 == client.get("/healthz").status_code
            slowest = max(slowest, time.monotonic() - begun)
            threading.Event().wait(0.05)
        statuses = {answer.result().status_code for answer in waiting}
    own_postgres.start()

    assert {503} == statuses
    assert slowest < 0.5


@pytest.mark.timeout(150)
@pytest.mark.parametrize("trouble", [stop_and_start, end_all_sessions])
def test_a_database_that_comes_back_is_all_it_takes(
    run_service: RunService, own_postgres: Postgres, tmp_path: Path, trouble: Callable[[Postgres], None]
) -> None:
    """No process is restarted; results that could not be written are kept until they are, so nothing is sent twice."""
    receiver, ledger, url = Receiver(tmp_path / "receiver"), Ledger(), own_postgres.fresh_database()
    service = run_service(relay_url=receiver.relay_url, database_url=url, lease_seconds="4")
    service.see_one_through()
    processes = {p.pid for p in service.processes()}
    clients = Clients(service, ledger, messages=MESSAGES)
    clients.start()
    for _ in range(2):
        service.see_one_through()
        trouble(own_postgres)
    clients.join()
    verdict = verdict_on(service, ledger, receiver, url)
    print(f"\n{trouble.__name__}: {verdict}")

    assert clients.failed == []
    assert verdict.keeps_the_promise(MESSAGES, duplicates=0), service.log()
    assert {p.pid for p in service.processes()} == processes
