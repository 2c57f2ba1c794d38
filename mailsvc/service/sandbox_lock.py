"""The lock of the process that runs the sandbox: the kernel releases it when the process ends."""

import fcntl
import os
from pathlib import Path

from mailsvc.forking import Descriptor

__all__ = ["SandboxLock"]


class SandboxLock:
    """One per data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "sandbox.lock"
        self._descriptor: Descriptor | None = None

    @property
    def is_held(self) -> bool:
        """Whether another process holds it."""
        if not self.take():
            return True
        self.release()
        return False

    def take(self) -> bool:
        """Returns whether it is held by this process now. Raises OSError."""
        if self._descriptor is None:
            self._descriptor = Descriptor(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            self._descriptor.close()
            self._descriptor = None
