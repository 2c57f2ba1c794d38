"""The processes of one service: each is replaced when it dies, and none outlives the first."""

import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.support.service import Service

RunService = Callable[..., Service]
MESSAGE = {"from": "app@app.test", "to": "user@example.test", "subject": "Hi", "text": "Hello"}


@pytest.mark.parametrize("name", ["mailsvc-worker", "mailsvc-api"])
def test_a_killed_process_is_replaced(run_service: RunService, name: str) -> None:
    """Mail handed in afterwards goes out, with nobody's help."""
    service = run_service()
    old = service.process(name)
    old.kill()
    old.wait(10)

    wait_for(lambda: any(p.name() == name and p.pid != old.pid for p in service.processes()))
    service.wait_until_ready()
    with service.client() as client:
        assert client.post("/v1/messages", json=MESSAGE).status_code == 202
    service.wait_for_events(lambda events: any(e["type"] == "message.sent" for e in events))


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_outlives_the_first_process(run_service: RunService, blow: signal.Signals) -> None:
    """Where the first process has gone, its port and its data directory are free for the next."""
    service = run_service()
    everybody = service.processes()
    assert service.first is not None
    service.first.send_signal(blow)
    service.first.wait(20)

    gone, alive = psutil.wait_procs(everybody, timeout=20)
    assert (len(gone), alive) == (3, [])
    service.start()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
