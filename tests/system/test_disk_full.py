"""A full disk: nothing is promised that can't be kept, what was promised is kept, and room is all that it takes to go on."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.queuecheck import Clients, Ledger, verdict_on
from tests.support.receiver import Receiver
from tests.support.rootserver import why_not
from tests.support.service import Service

MESSAGES = 300
MESSAGE = {"from": "app@app.test", "to": "user@example.test", "text": "x" * 20_000}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    if reason := why_not():
        pytest.skip(reason)
    mount = tmp_path / "disk"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", mount], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield mount
    subprocess.run(["umount", "--lazy", mount], check=True)


@pytest.mark.timeout(120)
def test_a_full_disk_costs_no_mail(small_disk: Path, tmp_path: Path) -> None:
    """POSTs are told to come back, reading goes on, and everything is sent once there is room."""
    receiver, ledger = Receiver(tmp_path / "receiver"), Ledger()
    service = Service(small_disk / "data", relay_url=receiver.relay_url, min_free_disk_bytes="0", lease_seconds="4")
    service.log_path = tmp_path / "service.log"
    try:
        service.start()
        service.see_one_through()
        clients = Clients(service, ledger, messages=MESSAGES)
        clients.start()
        ballast = fill(small_disk)
        refused = refusal(service)
        with service.client() as client:
            assert client.get("/v1/messages").status_code == 200
            assert client.get("/healthz").status_code == 200
        ballast.unlink()
        clients.join()
        service.see_one_through()
        verdict = verdict_on(service, ledger, receiver)
    finally:
        service.kill9()
    print(f"\n{verdict}")

    assert (refused["status"], refused["code"]) == (503, "unavailable")
    assert clients.failed == []
    assert verdict.keeps_the_promise(MESSAGES, duplicates=0), service.log()


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(os.urandom(4096))
    return ballast


def refusal(service: Service) -> dict[str, object]:
    """What a client is told once the database has used up its last free pages."""
    with service.client() as client:
        for _ in range(2000):
            answer = client.post("/v1/messages", json=MESSAGE)
            if answer.status_code != 202:
                return dict(answer.json())
    raise AssertionError("the disk never was full")
