"""An event loop of our own, for any thread: the host's policy, its default loop and its executors are not touched."""

import asyncio
import selectors

from mailsvc import forking
from mailsvc.runtime.threads import DaemonThreads

__all__ = ["EventLoop"]

THREADS = 8  # that wait for the database


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own, with daemon threads; a forked child has none of its descriptors.

    Args:
        name: how the names of its threads begin.
    """

    def __init__(self, name: str) -> None:
        self._own_selector = selectors.DefaultSelector()
        super().__init__(self._own_selector)
        self.set_default_executor(DaemonThreads(THREADS, name))
        forking.cut_in_child(self)

    def descriptors(self) -> list[int]:
        """All that it has open: what it waits for, its connections that are paused, and its own."""
        if self.is_closed():
            return []
        transports = list(getattr(self, "_transports", {}).values())
        connections = [transport.get_extra_info("socket") for transport in transports]
        own = [self._own_selector, getattr(self, "_csock", None)]
        files = [file for file in [*connections, *own] if file is not None]
        numbers = {*self._own_selector.get_map(), *(file.fileno() for file in files)}
        return sorted(number for number in numbers if number >= 0)
