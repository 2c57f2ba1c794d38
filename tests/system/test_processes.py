"""The processes of one service: each is replaced when it dies, and none outlives the first."""

import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.support.service import Service
from tests.support.webhook_sink import open_sink

RunService = Callable[..., Service]
MESSAGE = {"from": "app@app.test", "to": "user@example.test", "subject": "Hi", "text": "Hello"}


@pytest.mark.parametrize("name", ["mailsvc-worker", "mailsvc-notify", "mailsvc-api"])
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


def test_who_connects_while_the_api_starts_again_is_answered(run_service: RunService) -> None:
    """The port stays open: a client has to wait, but sees no refusal."""
    service = run_service()
    old = service.process("mailsvc-api")
    old.kill()
    old.wait(10)
    with service.client() as client:
        assert client.get("/readyz", timeout=30).status_code == 200


def test_what_a_killed_notifier_held_is_posted_by_the_next(run_service: RunService) -> None:
    """Without waiting for its leases, which are longer than this test's patience."""
    with open_sink() as sink:
        sink.hanging.add("/events")
        service = run_service(webhook_url=sink.url("/events"))
        service.see_one_through()
        held = {told.id for told in sink.wait("/events")}
        service.process("mailsvc-notify").kill()
        sink.release("/events")

        wait_for(lambda: held <= {told.id for told in sink.told("/events")[len(held) :]})


@pytest.mark.parametrize("name", ["mailsvc-worker", "mailsvc-notify", "mailsvc-api"])
def test_a_process_that_dies_again_and_again_does_not_end_the_service(run_service: RunService, name: str) -> None:
    """It is started again after a pause that grows, and the log says so."""
    service = run_service()
    for pause in (1.0, 2.0):
        service.process(name).kill()
        wait_for(lambda seconds=pause: f'"seconds": {seconds}' in service.log())  # type: ignore[misc]
        wait_for(lambda: any(p.name() == name for p in service.processes()))

    service.wait_until_ready()
    service.see_one_through()


def test_a_service_that_waits_to_start_a_process_again_can_be_stopped(run_service: RunService) -> None:
    """Nobody has to sit the pause out."""
    service = run_service()
    for pause in (1.0, 2.0, 4.0):
        wait_for(lambda: any(p.name() == "mailsvc-api" for p in service.processes()))
        service.process("mailsvc-api").kill()
        wait_for(lambda seconds=pause: f'"seconds": {seconds}' in service.log())  # type: ignore[misc]
    assert service.first is not None
    service.first.terminate()

    assert service.first.wait(3) == 0


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_outlives_the_first_process(run_service: RunService, blow: signal.Signals) -> None:
    """Where the first process has gone, its port and its data directory are free for the next."""
    service = run_service()
    everybody = service.processes()
    assert service.first is not None
    service.first.send_signal(blow)
    service.first.wait(20)

    gone, alive = psutil.wait_procs(everybody, timeout=20)
    assert (len(gone), alive) == (5, [])
    service.start()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
