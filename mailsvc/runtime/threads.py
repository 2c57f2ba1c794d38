"""Bounded pools of daemon threads, for event loops in any thread of any program.

The threads of ``concurrent.futures`` hold up the end of their program, and take no more work as soon as its main thread has
ended. An event loop in a daemon thread would then fail in the middle of its work.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

__all__ = ["DaemonThreads"]

P = ParamSpec("P")
T = TypeVar("T")
Job = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads(ThreadPoolExecutor):
    """As its base, which asyncio wants for a loop's default executor; but all its threads are its own.

    Args:
        most: threads at the same time; each is started when all others have work.
        name: how the names of the threads begin.
    """

    def __init__(self, most: int, name: str) -> None:
        super().__init__(most)
        self._most, self._name = most, name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._changing = threading.Lock()
        self._started = self._unfinished = 0
        self._is_shut = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have it called in a thread.

        Raises:
            RuntimeError: ``shutdown`` was called before.
        """
        future: Future[T] = Future()
        with self._changing:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._unfinished += 1
            self._jobs.put((future, partial(fn, *args, **kwargs)))
            if self._started < min(self._unfinished, self._most):
                self._started += 1
                name = f"{self._name}-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Take no more work; the threads end after what they have.

        Nobody waits for them, whatever ``wait`` says: a thread that hangs must not hold up the end of a program.
        """
        with self._changing:
            if self._is_shut:
                return
            self._is_shut = True
        while cancel_futures and (job := self._next()) is not None:
            job[0].cancel()
        for _ in range(self._started):
            self._jobs.put(None)

    def _next(self) -> Job | None:
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            return None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            tell = _outcome(*job)
            del job  # its result must not be kept alive until the next one comes
            with self._changing:
                self._unfinished -= 1
            tell()
            del tell


def _outcome(future: Future[Any], call: Callable[[], Any]) -> Callable[[], None]:
    """Do the call, unless it is cancelled. Returns what tells the result."""
    if not future.set_running_or_notify_cancel():
        return lambda: None
    try:
        return partial(future.set_result, call())
    except BaseException as error:  # noqa: BLE001 - it belongs to the caller
        return partial(future.set_exception, error)
