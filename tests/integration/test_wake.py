"""Bells: whoever rings one is not harmed by it, whatever the system is short of."""

import errno
import gc
import os
from pathlib import Path
from typing import Any

import pytest

from mailsvc.runtime import wake
from mailsvc.runtime.wake import DELIVER, Bell, Ear


@pytest.fixture
def ear(tmp_path: Path) -> Any:
    listening = Ear(tmp_path, "worker")
    listening._socket.setblocking(False)
    yield listening
    listening.close()


def test_a_bell_is_heard(tmp_path: Path, ear: Ear) -> None:
    Bell(tmp_path).ring(DELIVER)

    assert ear._socket.recv(64) == DELIVER


def test_a_bell_rings_without_free_file_descriptors(tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wakes those whom it knows; a thread that records results must not end by it."""
    bell, now = Bell(tmp_path), [0.0]
    monkeypatch.setattr(wake.clock, "monotonic", lambda: now[0])
    bell.ring(DELIVER)
    now[0] = 10.0

    def no_more(_: Path) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "iterdir", no_more)
    bell.ring(DELIVER)

    assert (ear._socket.recv(64), ear._socket.recv(64)) == (DELIVER, DELIVER)


def test_the_socket_of_an_ended_process_is_removed(tmp_path: Path, ear: Ear) -> None:
    ear._socket.close()
    Bell(tmp_path).ring(DELIVER)

    assert list((tmp_path / "wake").iterdir()) == []


def test_a_discarded_bell_keeps_no_file_open(tmp_path: Path) -> None:
    def opened() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = opened()
    Bell(tmp_path).ring(DELIVER)

    assert opened() == before
