"""Bounded thread pools: each kind of request has its own, so that one kind that waits does not block others."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mailsvc.domain.errors import Unavailable

__all__ = ["Room", "Rooms"]

T = TypeVar("T")

_TRIAL = re.compile(r"/v1/(?:relays|mailboxes)/[^/]+/check|/v1/webhooks/[^/]+/test")  # they wait for peers


class Room:
    """Threads for one kind of request; further requests wait in the event loop, for a limited time.

    Args:
        what: the kind, in the words of the refusal.
        threads: how many are handled at the same time.
        patience: seconds that others wait for their turn, before they are told to come back.
    """

    def __init__(self, what: str, threads: int, *, patience: float) -> None:
        self._what, self._patience = what, patience
        self._free = asyncio.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")

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


class Rooms:
    """All pools, and the choice between them.

    Args:
        threads: of the room for ordinary requests.
    """

    def __init__(self, threads: int) -> None:
        self.keys = Room("unknown API keys", 4, patience=5)
        self._ordinary = Room("requests", threads, patience=8)
        self._large = Room("large requests", 2, patience=20)
        self._polls = Room("requests for events", 8, patience=10)
        self._trials = Room("checks", 16, patience=2)
        self._public = Room("requests for figures or documents", 2, patience=5)

    def choose(self, path: str, *, is_large: bool) -> Room:
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
        for room in (self.keys, self._ordinary, self._large, self._polls, self._trials, self._public):
            room.close()
