"""Connections that never showed a valid key: so many an address, of which the oldest make room for newcomers."""

import asyncio
from collections import defaultdict
from typing import Protocol

from mailsvc import clock

__all__ = ["MOST_OF_ONE_ADDRESS", "Stranger", "Strangers"]

MOST_OF_ONE_ADDRESS = 512
YOUNG = 1.0  # seconds: nobody is sent away sooner


class Stranger(Protocol):
    """A connection."""

    transport: asyncio.Transport

    @property
    def is_silent(self) -> bool:
        """Whether nobody is at work for it."""


class Strangers:
    """Those of all addresses, each address's from the oldest to the newest."""

    def __init__(self) -> None:
        self._since: defaultdict[str, dict[Stranger, float]] = defaultdict(dict)

    def enter(self, stranger: Stranger, address: str) -> None:
        """It has connected."""
        self._since[address][stranger] = clock.monotonic()

    def leave(self, stranger: Stranger, address: str) -> None:
        """It has shown a key, or gone away."""
        of_address = self._since.get(address)
        if of_address is not None:
            of_address.pop(stranger, None)
            if not of_address:
                del self._since[address]

    def bound(self, address: str) -> None:
        """Another one comes from there: send the oldest away that say nothing, where there are too many."""
        crowd = self._since.get(address, {})
        while len(crowd) >= MOST_OF_ONE_ADDRESS and self._send_away(crowd):
            pass

    def make_room(self) -> bool:
        """Send one away, of the address that has most. False where all are young, or waited for."""
        return self._send_away(max(self._since.values(), key=len, default={}))

    def _send_away(self, crowd: dict[Stranger, float]) -> bool:
        old = clock.monotonic() - YOUNG
        for stranger, since in crowd.items():
            if since > old:
                return False
            if stranger.is_silent:
                del crowd[stranger]
                stranger.transport.abort()
                return True
        return False
