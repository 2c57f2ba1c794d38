"""The lock of SQLite's one writer: fair between threads and processes."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mailsvc.store.writer_lock import WriterLock

ROUNDS = 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mailsvc.db.lock"


def wait_for_waiter(path: Path) -> None:
    """Until the kernel knows of somebody who waits for the lock of this file."""
    inode, deadline = f":{path.stat().st_ino} ", time.monotonic() + 10
    while not any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()):
        assert time.monotonic() < deadline


def test_nobody_gets_the_lock_twice_while_another_waits(path: Path) -> None:
    """A busy writer would starve all others: the kernel gives a free lock to whoever asks first."""
    lock, entered = WriterLock(str(path)), []

    def enter(name: str) -> None:
        with lock:
            entered.append(name)

    for _ in range(ROUNDS):
        waiting = threading.Thread(target=enter, args=("waiting",))
        with lock:
            waiting.start()
            wait_for_waiter(path)
        enter("again")
        waiting.join()

    assert entered == ["waiting", "again"] * ROUNDS


def test_the_lock_holds_between_processes(path: Path) -> None:
    """Workers of one host share a database file."""
    script = "import sys; from mailsvc.store.writer_lock import WriterLock as Lock; Lock(sys.argv[1]).__enter__()"
    with WriterLock(str(path)):
        other = subprocess.Popen([sys.executable, "-c", script, path])
        wait_for_waiter(path)
        still_waits = other.poll() is None

    assert still_waits
    assert other.wait(10) == 0
