"""Another program holds the write lock of SQLite's file: nothing is lost, and everybody is told."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.support.shell import mailsvc_here
from tests.support.waiting import wait_until


@pytest.mark.timeout(300)
def test_a_lock_of_another_program_delays_mail_and_loses_none(
    run_service: Callable[..., Service], tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path / "receiver")
    service = run_service(relay_url=receiver.relay_url)
    service.see_one_through()
    mail = {"from": "app@app.test", "to": "ann@example.test", "text": "x"}
    with closing(sqlite3.connect(service.data_dir / "mailsvc.db", timeout=30, isolation_level=None)) as program:
        with service.client() as client:
            assert client.post("/v1/messages", json={**mail, "to": "before@example.test"}).status_code == 202
            program.execute("BEGIN IMMEDIATE")
            program.execute("INSERT INTO mailsvc_submission (draft) VALUES (?)", [_draft("inside@example.test")])
            for _ in range(2):
                refused = client.post("/v1/messages", json=mail)
                assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
                assert "nothing was kept" in refused.json()["detail"]
            assert client.get("/v1/messages").status_code == 200  # readers go on
            ready = client.get("/readyz")
            assert ready.status_code == 503
            assert "locked by another process for" in ready.json()["checks"]["database"]
            doctor = mailsvc_here("doctor", environment=service.environment()).out
            assert "locked by another process for" in doctor
            program.execute("COMMIT")
            wait_until(lambda: {"before", "inside"} <= _received(receiver))
            assert client.post("/v1/messages", json=mail).status_code == 202
            wait_until(lambda: "ann" in _received(receiver))
            wait_until(lambda: client.get("/readyz").status_code == 200)
    assert "database locked by another process" in service.log()
    assert max(receiver.received().values()) == 1
    receiver.stop()


def _draft(recipient: str) -> str:
    return f'{{"from": "app@app.test", "to": "{recipient}", "text": "x"}}'


def _received(receiver: Receiver) -> set[str]:
    return {line.split()[1].partition("@")[0] for line in receiver.received()}
