"""Which workers of a host are dead: told by locks, so that no kill can hide it."""

import os
import signal
from pathlib import Path

from mailsvc.runtime.lockfiles import LockFiles


def enrolled_child(data_dir: Path, owner: str) -> int:
    """A process on the lockfiles, which lives until it is ended."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        lockfiles = LockFiles(data_dir)
        lockfiles.enrol(owner)
        os.write(writer, b"!")
        signal.pause()
        os._exit(0)
    os.read(reader, 1)
    return pid


def test_a_killed_worker_is_dead_and_a_living_one_is_not(tmp_path: Path) -> None:
    killed, living = enrolled_child(tmp_path, "wrk_1"), enrolled_child(tmp_path, "wrk_2")
    lockfiles = LockFiles(tmp_path)
    before = lockfiles.dead()
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    after = lockfiles.dead()
    os.kill(living, signal.SIGKILL)
    os.waitpid(living, 0)

    assert (before, after, lockfiles.dead()) == ([], ["wrk_1"], ["wrk_1", "wrk_2"])


def test_a_removed_dead_worker_is_forgotten(tmp_path: Path) -> None:
    """What it held has been settled; one that was never there is struck without an error."""
    killed = enrolled_child(tmp_path, "wrk_1")
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    lockfiles = LockFiles(tmp_path)
    before = lockfiles.dead()
    lockfiles.strike("wrk_1")
    lockfiles.strike("wrk_never")

    assert (before, lockfiles.dead()) == (["wrk_1"], [])
