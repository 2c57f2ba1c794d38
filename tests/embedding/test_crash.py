"""kill -9 of a program in the middle of sending: nothing is lost, and no more is doubled than was at the dot."""

import os
import random
import time
from collections.abc import Callable

import pytest

from mailsvc.store.database import Database
from tests.support.host import Host
from tests.support.queuecheck import Clients, Ledger, dots_in_flight, judge, wait_until_done
from tests.support.receiver import Receiver
from tests.support.service import Service as Serving

_HOST = """
import signal
data, relay_url, url = Path(sys.argv[1]), *sys.argv[2:4]
service = Service(Settings(data_dir=data, relay_url=relay_url, database_url=url))
service.start()
say("started")
signal.pause()
"""
MESSAGES, KILLS = 800, 6


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_killed_program_loses_nothing(
    run_service: Callable[..., Serving],
    run_host: Callable[..., Host],
    receiver: Receiver,
    request: pytest.FixtureRequest,
    database: str,
) -> None:
    """Its mail comes in by another process, which lives on."""
    url = str(request.getfixturevalue("postgres").fresh_database()) if database == "postgresql" else ""
    api = run_service(roles="api", relay_url=receiver.relay_url, **({"database_url": url} if url else {}))
    chance, ledger, dots = random.Random(os.environ.get("MAILSVC_TEST_SEED", "1")), Ledger(), 0
    clients = Clients(api, ledger, messages=MESSAGES)
    clients.start()
    for _ in range(KILLS):
        host = run_host(_HOST, api.data_dir, receiver.relay_url, url)
        assert host.line() == "started"
        time.sleep(chance.uniform(0.05, 0.8))  # the moment of the kill is the subject, not synchronisation
        host.kill9()
        dots += dots_in_flight(api)
    assert run_host(_HOST, api.data_dir, receiver.relay_url, url).line() == "started"
    clients.join()
    store = Database(url or f"sqlite:///{api.data_dir / 'mailsvc.db'}")
    wait_until_done(store)
    verdict = judge(store, ledger, receiver.received())
    store.close()

    assert clients.failed == []
    assert verdict.keeps_the_promise(MESSAGES, duplicates=dots), (str(verdict), dots)
