"""Child processes: how long they may take to end, and what keeps them from starting."""

import errno
import os
import select
import signal
import threading
import time

import pytest

from mailsvc.service import child, restart
from mailsvc.service.child import Child, join_all


def _stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def _docile() -> None:
    signal.pause()


def test_the_drain_timeout_starts_at_the_first_stop_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the API has ended: the workers were told together with it."""
    monkeypatch.setattr(child, "DRAIN_SECONDS", 1.5)
    monkeypatch.setattr(child, "SETTLE_SECONDS", 0.5)
    workers = [Child("stubborn", _stubborn), Child("docile", _docile)]
    for worker in workers:
        worker.start()
    threading.Event().wait(0.5)

    asked_at = time.monotonic()
    for worker in workers:
        worker.stop()
    threading.Event().wait(1.5)
    join_all(workers)
    assert 2.0 <= time.monotonic() - asked_at < 3.0


def test_a_child_not_yet_asked_to_stop_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the API's server ends by itself."""
    monkeypatch.setattr(child, "DRAIN_SECONDS", 0.5)
    monkeypatch.setattr(child, "SETTLE_SECONDS", 0.5)
    worker = Child("stubborn", _stubborn)
    worker.start()
    threading.Event().wait(0.5)

    began_at = time.monotonic()
    join_all([worker])
    assert time.monotonic() - began_at < 2.0


def test_a_fork_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may be out of processes or memory for a while; the role must not be gone for good."""
    monkeypatch.setattr(restart, "FIRST_PAUSE", 0.01)
    failures, fork = [OSError(errno.ENOMEM, "no memory"), OSError(errno.EAGAIN, "no process")], os.fork
    monkeypatch.setattr(os, "fork", lambda: _raise(failures.pop()) if failures else fork())
    listening, speaking = os.pipe()
    worker = Child("docile", lambda: _say_and_wait(speaking), keep=speaking)
    worker.start()
    said = select.poll()
    said.register(listening, select.POLLIN)
    ready = said.poll(10_000)
    join_all([worker])
    os.close(listening)
    os.close(speaking)

    assert ready


def _raise(error: OSError) -> int:
    raise error


def _say_and_wait(descriptor: int) -> None:
    os.write(descriptor, b"!")
    signal.pause()
