"""Child processes: how long they may take to end."""

import signal
import threading
import time

import pytest

from mailsvc.service import offspring
from mailsvc.service.offspring import Offspring, join_all


def _stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def _docile() -> None:
    signal.pause()


def test_the_time_to_drain_begins_with_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the API has ended: the workers were told together with it."""
    monkeypatch.setattr(offspring, "DRAIN_SECONDS", 2.0)
    workers = [Offspring("stubborn", _stubborn), Offspring("docile", _docile)]
    for worker in workers:
        worker.start()
    threading.Event().wait(0.5)

    asked_at = time.monotonic()
    for worker in workers:
        worker.stop()
    threading.Event().wait(1.5)
    join_all(workers)
    assert 2.0 <= time.monotonic() - asked_at < 3.0


def test_who_was_never_asked_to_end_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the API's server ends by itself."""
    monkeypatch.setattr(offspring, "DRAIN_SECONDS", 1.0)
    worker = Offspring("stubborn", _stubborn)
    worker.start()
    threading.Event().wait(0.5)

    began_at = time.monotonic()
    join_all([worker])
    assert time.monotonic() - began_at < 2.0
