"""Keeps the files of an embedded database readable for their owner only, whatever the umask."""

import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["keep_private"]


def keep_private(path: str) -> None:
    """Create the file with mode 0600, or set it; SQLite's other files take the same mode.

    The file is never opened here: closing it would give up every lock that SQLite holds on it in this process (POSIX), and
    the next connection to end would take itself for the last one and remove a log that others write. What goes wrong, SQLite
    will say better.
    """
    with suppress(OSError):
        os.mknod(path, stat.S_IFREG | 0o600)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(OSError):
            if Path(name).stat().st_mode & 0o077:
                Path(name).chmod(0o600)
