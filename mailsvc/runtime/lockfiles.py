"""Finds dead workers of this host: each living worker holds the lock of its file."""

import fcntl
import os
from pathlib import Path

from mailsvc.forking import Descriptor

__all__ = ["LockFiles"]


class LockFiles:
    """The workers' files in ``<data dir>/workers``; the kernel releases the locks of dead processes."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "workers"
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._mine: Descriptor | None = None

    def enrol(self, owner: str) -> None:
        """Show that this process lives, until it ends."""
        unseen = self._directory / f".{owner}"  # locked before it is visible: without a lock, its owner counts as dead
        self._mine = Descriptor(os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        fcntl.flock(self._mine, fcntl.LOCK_EX)
        unseen.rename(self._directory / owner)

    def dead(self) -> list[str]:
        """The workers whose process has ended without removing its file."""
        return sorted(path.name for path in self._directory.glob("[!.]*") if _is_free(path))

    def leave(self, owner: str) -> None:
        """Show that the worker of this process has ended."""
        self.strike(owner)
        if self._mine is not None:
            self._mine.close()
            self._mine = None

    def strike(self, owner: str) -> None:
        """Remove the worker's file."""
        (self._directory / owner).unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
    except (BlockingIOError, FileNotFoundError):
        return False
