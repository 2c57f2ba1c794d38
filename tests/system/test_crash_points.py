"""Killed, or failed by its disk, at exactly this system call: around accepting, claiming, noting the dot and recording."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.queuecheck import Clients, Ledger, dots_in_flight, verdict_on
from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.support.strace import Injection, why_not

RunService = Callable[..., Service]
MESSAGES = 120
API, WORKER = "mailsvc-api", "mailsvc-worker"

pytestmark = [pytest.mark.skipif(why_not() is not None, reason=str(why_not())), pytest.mark.timeout(300)]

# The calls by which something becomes durable or leaves: each thread of the process counts its own. The journal's lines
# are no calls; the worker asks by "getsockopt" whether the relay is there just before it notes a dot, which then leaves by
# "sendto".
KILLS = {
    "sqlite": [
        (API, "fdatasync", (1, 2)),
        (WORKER, "fdatasync", (1, 2, 3)),
        (WORKER, "sendto", (2, 5)),
        (WORKER, "getsockopt", (2, 5)),
    ],
    "postgresql": [(API, "sendto", (2, 5, 9)), (WORKER, "sendto", (3, 6, 10, 17)), (WORKER, "getsockopt", (2, 5))],
}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_kill_at_any_point_loses_nothing(
    run_service: RunService, tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    """Before and after each commit, in the middle of a session, around the journal's lines."""
    receiver = Receiver(tmp_path / "receiver")
    url = request.getfixturevalue("postgres").fresh_database() if database == "postgresql" else ""
    service = run_service(relay_url=receiver.relay_url, **({"database_url": url} if url else {}))
    ledger, rounds, dots = Ledger(), 0, 0
    for name, call, counts in KILLS[database]:
        for count in counts:
            if rounds:
                begin_anew(service)
            service.see_one_through()
            victim = service.process(name)
            injection = Injection(victim, call, "signal=KILL", str(count))
            clients = Clients(service, ledger, messages=MESSAGES, seed=100 * rounds)
            clients.start()
            victim.wait(30)
            dots += dots_in_flight(service)
            injection.remove()
            start_again(service, name, victim)
            service.wait_until_ready()
            clients.join()
            rounds += 1
    verdict = verdict_on(service, ledger, receiver, url)
    print(f"\n{database}: {rounds} kills, {verdict}, dots in flight {dots}")

    assert verdict.keeps_the_promise(rounds * MESSAGES, duplicates=dots), service.log()


@pytest.mark.parametrize("name", [API, WORKER])
def test_a_disk_that_fails_now_and_then_loses_nothing(run_service: RunService, tmp_path: Path, name: str) -> None:
    """What could not be made durable is not promised, or tried again; nobody has to restart anything."""
    receiver = Receiver(tmp_path / "receiver")
    service = run_service(relay_url=receiver.relay_url)
    service.see_one_through()
    ledger = Ledger()
    clients = Clients(service, ledger, messages=2 * MESSAGES)
    injection = Injection(service.process(name), "fdatasync", "error=EIO", "2+3")
    clients.start()
    clients.join()
    verdict = verdict_on(service, ledger, receiver)
    injection.remove()
    print(f"\nEIO in {name}: {verdict}")

    assert clients.failed == []
    assert verdict.keeps_the_promise(2 * MESSAGES, duplicates=0), service.log()
    assert "the database" in service.log()


def begin_anew(service: Service) -> None:
    """Stop and start it: in one life, the pause before a process is started again would double from kill to kill."""
    assert service.terminate() == 0, service.log()
    service.start()


def start_again(service: Service, name: str, victim: psutil.Process) -> None:
    """A process that died is replaced; a service that gave up, since it died twice in seconds, is started anew."""
    deadline = time.monotonic() + 30
    while not any(p.name() == name and p.pid != victim.pid for p in service.processes()):
        assert time.monotonic() < deadline, service.log()
        assert service.first is not None
        if service.first.poll() is not None:
            service.kill9()
            service.start()
        time.sleep(0.05)
