"""The wall clock is set forward and back by hours while mail flows: nothing is lost, doubled, expired or stuck."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.queuecheck import Clients, Ledger, verdict_on
from tests.support.receiver import Receiver
from tests.support.service import Service

RunService = Callable[..., Service]
MESSAGES = 200
JUMPS = ("+3h", "-2h", "+0h")
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.mark.timeout(150)
@pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")
def test_mail_flows_on_through_jumps_of_the_clock(run_service: RunService, tmp_path: Path) -> None:
    """What is accepted after a jump is sent at once, and once."""
    receiver, ledger, offset = Receiver(tmp_path / "receiver"), Ledger(), tmp_path / "offset"
    offset.write_text("+0h\n")
    service = run_service(relay_url=receiver.relay_url, wrapper=["env", *faked(offset)])
    total = 0
    for round_, jump in enumerate(JUMPS):
        clients = Clients(service, ledger, messages=MESSAGES, seed=1000 * round_)
        clients.start()
        service.see_one_through()
        set_clock(offset, jump)
        service.see_one_through()
        clients.join()
        total += MESSAGES
    deadline = time.monotonic() + 30
    while len(receiver.received()) < total:
        # Nothing may wait for hours, which the database's own due times can't show to a judge with the true clock.
        assert time.monotonic() < deadline, service.log()
        time.sleep(0.05)
    verdict = verdict_on(service, ledger, receiver)
    print(f"\n{verdict}")

    assert clients.failed == []
    assert verdict.keeps_the_promise(total, duplicates=0), service.log()


def faked(offset: Path) -> list[str]:
    return [
        f"LD_PRELOAD={LIBRARY}",
        f"FAKETIME_TIMESTAMP_FILE={offset}",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]


def set_clock(offset: Path, jump: str) -> None:
    new = offset.with_suffix(".new")
    new.write_text(f"{jump}\n")
    os.replace(new, offset)
