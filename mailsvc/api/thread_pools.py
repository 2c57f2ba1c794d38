"""Bounded thread pools, one per kind of request: a kind that waits does not block the others."""

import asyncio
import re
from collections.abc import Callable
from typing import TypeVar

from mailsvc.domain.errors import Unavailable
from mailsvc.runtime.threads import DaemonThreads

__all__ = ["ThreadPool", "ThreadPools"]

T = TypeVar("T")

_TRIAL = re.compile(
    r"/v1/(?:relays|mailboxes)/[^/]+/check|/v1/mailboxes/[^/]+/probe|/v1/webhooks/[^/]+/test"
)  # these wait for other servers


class ThreadPool:
    """The threads for one kind of request. Further requests wait in the event loop, for a limited time.

    Args:
        what: the kind of request, as the error message names it.
        threads: how many requests are handled at the same time.
        patience: seconds that further requests wait; then they get 503.
    """

    def __init__(self, what: str, threads: int, *, patience: float) -> None:
        self._what, self._patience = what, patience
        self._free = asyncio.Semaphore(threads)
        self._pool = DaemonThreads(threads, "request")

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Do the work in a thread. Raises Unavailable if none is free in time."""
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._free.release()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(f"too many {self._what} at once; nothing was done", retry_after=5) from None

    def close(self) -> None:
        """Accept no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class ThreadPools:
    """All pools, and the choice between them.

    Args:
        threads: the number of threads for ordinary requests.
    """

    def __init__(self, threads: int) -> None:
        self.keys = ThreadPool("unknown API keys", 4, patience=5)
        self._ordinary = ThreadPool("requests", threads, patience=8)
        self._large = ThreadPool("large requests", 2, patience=20)
        self._polls = ThreadPool("requests for events", 8, patience=10)
        self._trials = ThreadPool("checks", 16, patience=2)
        self._public = ThreadPool("requests for figures or documents", 2, patience=5)

    def choose(self, path: str, *, is_large: bool) -> ThreadPool:
        """The pool for a request to this path."""
        path = path.rstrip("/")
        if is_large:
            return self._large
        if path == "/v1/events":
            return self._polls
        if not path.startswith("/v1/"):
            return self._public
        return self._trials if _TRIAL.fullmatch(path) else self._ordinary

    def close(self) -> None:
        """Accept no more work."""
        for pool in (self.keys, self._ordinary, self._large, self._polls, self._trials, self._public):
            pool.close()
