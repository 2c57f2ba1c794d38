"""kill -9 at random moments: nothing accepted is lost, and no more is doubled than was at the dot."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsvc.store.database import Database
from tests.support.queuecheck import Clients, Ledger, dots_in_flight, judge, wait_until_done
from tests.support.receiver import Receiver
from tests.support.service import Service

RunService = Callable[..., Service]
SOAK = pytest.mark.soak


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("database", "kills", "messages"),
    [
        ("sqlite", 6, 1200),
        ("postgresql", 5, 1000),
        pytest.param("sqlite", 100, 12000, marks=SOAK),
        pytest.param("postgresql", 100, 12000, marks=SOAK),
    ],
)
def test_killing_the_whole_group_loses_nothing(
    run_service: RunService, tmp_path: Path, request: pytest.FixtureRequest, database: str, kills: int, messages: int
) -> None:
    """Every 202 reaches the relay; duplicates are at most the dots that were in flight at a kill."""
    receiver = Receiver(tmp_path / "receiver")
    url = request.getfixturevalue("postgres").fresh_database() if database == "postgresql" else ""
    service = run_service(relay_url=receiver.relay_url, **({"database_url": url} if url else {}))
    chance, ledger = random.Random(os.environ.get("MAILSVC_TEST_SEED", "1")), Ledger()
    clients = Clients(service, ledger, messages=messages)
    clients.start()
    dots = 0
    for _ in range(kills):
        time.sleep(chance.uniform(0.05, 0.8))  # the moment of the kill is the subject, not synchronisation
        service.kill9()
        dots += dots_in_flight(service)
        service.start()
    clients.join()
    store = Database(url or f"sqlite:///{service.data_dir / 'mailsvc.db'}")
    wait_until_done(store)
    verdict = judge(store, ledger, receiver.received())
    store.close()
    receiver.stop()
    print(f"\n{database}: {kills} kills, {verdict}, dots in flight {dots}")

    assert clients.failed == []
    assert (verdict.promised, verdict.lost, verdict.unexpected, verdict.unfinished, verdict.untold) == (
        messages,
        0,
        0,
        0,
        0,
    ), service.log()
    assert verdict.duplicated <= dots
