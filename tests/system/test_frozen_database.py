"""PostgreSQL that stands still says nothing: everybody is told in time all the same, and nothing is lost or sent twice."""

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
IN_TIME = 10.0  # seconds: the contract's
MESSAGES = 600
MESSAGE = {"from": "app@app.test", "to": "user@example.test", "text": "Hello"}


@pytest.mark.timeout(120)
def test_everybody_is_told_in_time(run_service: RunService, own_postgres: Postgres) -> None:
    """Sixty messages at once, other requests beside them, and whether messages can be taken."""
    service = run_service(database_url=own_postgres.fresh_database())
    service.see_one_through()
    with service.client() as client, ThreadPoolExecutor(80) as pool:
        client.get("/v1/relays").raise_for_status()
        own_postgres.freeze()
        for _ in range(2):
            asked = [pool.submit(client.post, "/v1/messages", json=MESSAGE, timeout=IN_TIME) for _ in range(60)]
            asked += [pool.submit(client.get, path, timeout=IN_TIME) for path in ("/readyz", "/v1/relays", "/metrics")]
            asked += [pool.submit(client.patch, "/v1/relays/rly_x", json={"rate": None}, timeout=IN_TIME)]
            answers = [answer.result() for answer in asked]
            assert {503} == {answer.status_code for answer in answers}
            assert all("nothing was" in (said := answer.text) or "may" in said for answer in answers[:60])
            assert "database" in answers[60].json()["checks"]
        assert client.get("/healthz", timeout=1).status_code == 200
        own_postgres.thaw()
        service.wait_until_ready(10)
        service.see_one_through()


@pytest.mark.timeout(150)
def test_nothing_is_lost_or_doubled(run_service: RunService, own_postgres: Postgres, tmp_path: Path) -> None:
    """Clients that repeat a request with its key, and a worker in the middle of its results; no process is restarted."""
    receiver, ledger, url = Receiver(tmp_path / "receiver"), Ledger(), own_postgres.fresh_database()
    service = run_service(relay_url=receiver.relay_url, database_url=url, lease_seconds="4")
    service.see_one_through()
    processes = {p.pid for p in service.processes()}
    clients = Clients(service, ledger, messages=MESSAGES)
    clients.start()
    for seconds in (2, 8):
        service.see_one_through()
        own_postgres.freeze()
        time.sleep(seconds)  # how long it stands still is the subject, not synchronisation
        own_postgres.thaw()
    clients.join()
    verdict = verdict_on(service, ledger, receiver, url)
    print(f"\n{verdict}")

    assert clients.failed == []
    assert verdict.keeps_the_promise(MESSAGES, duplicates=0), service.log()
    assert {p.pid for p in service.processes()} == processes
