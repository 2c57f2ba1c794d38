"""One writer at a time: a fair lock between threads and processes; nobody gets it twice while another waits."""

import fcntl
import os
import threading
from types import TracebackType

from mailsvc.forking import Descriptor

__all__ = ["WriterLock"]


class WriterLock:
    """A fair file lock.

    Whoever waits for the gate stands in the queue's lock, so that one who has just left the gate can't slip in again
    ahead of it. Every thread has descriptors of its own: to the kernel, they are as separate as processes.

    Args:
        path: of the gate's file; the queue's has ``.queue`` added.
    """

    def __init__(self, path: str) -> None:
        self._paths = (path + ".queue", path)
        self._mine = threading.local()

    def __enter__(self) -> None:
        queue, gate = self._descriptors()
        fcntl.flock(queue, fcntl.LOCK_EX)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX)
        finally:
            fcntl.flock(queue, fcntl.LOCK_UN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._mine.files.gate, fcntl.LOCK_UN)

    def _descriptors(self) -> tuple[Descriptor, Descriptor]:
        files = getattr(self._mine, "files", None)
        if files is None:
            files = self._mine.files = _Files(*self._paths)
        return files.queue, files.gate


class _Files:
    """One thread's descriptors, closed when the thread has ended."""

    def __init__(self, queue: str, gate: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self.queue = Descriptor(os.open(queue, flags, 0o600))
        self.gate = Descriptor(os.open(gate, flags, 0o600))
