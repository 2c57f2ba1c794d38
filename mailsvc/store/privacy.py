"""The files of an embedded database are for their owner alone, wherever they are and whatever the umask."""

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["keep_private"]


def keep_private(path: str) -> None:
    """Make the file as SQLite would, but private; one that is there is made so. SQLite's other files follow its mode.

    What goes wrong here, SQLite will say better.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(OSError):
            if Path(name).stat().st_mode & 0o077:
                Path(name).chmod(0o600)
