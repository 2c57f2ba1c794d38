"""Connections without a valid key: their number per address is limited, and the oldest are closed for new ones."""

import asyncio
from collections import defaultdict
from typing import Protocol

from mailsvc import clock

__all__ = ["MOST_OF_ONE_ADDRESS", "Stranger", "Strangers"]

MOST_OF_ONE_ADDRESS = 512
YOUNG = 1.0  # seconds: no connection is closed before


class Stranger(Protocol):
    """A connection."""

    transport: asyncio.Transport

    @property
    def is_silent(self) -> bool:
        """Whether no request of the connection is being handled."""


class Strangers:
    """The connections of all addresses; those of one address from the oldest to the newest."""

    def __init__(self) -> None:
        self._since: defaultdict[str, dict[Stranger, float]] = defaultdict(dict)

    def enter(self, stranger: Stranger, address: str) -> None:
        """Add a new connection."""
        self._since[address][stranger] = clock.monotonic()

    def leave(self, stranger: Stranger, address: str) -> None:
        """Remove a connection that has presented a key or was closed."""
        of_address = self._since.get(address)
        if of_address is not None:
            of_address.pop(stranger, None)
            if not of_address:
                del self._since[address]

    def bound(self, address: str) -> None:
        """Close an address's oldest silent connections if it has too many."""
        crowd = self._since.get(address, {})
        while len(crowd) >= MOST_OF_ONE_ADDRESS and self._send_away(crowd):
            pass

    def make_room(self) -> bool:
        """Close one connection of the address that has most. False if all are young, or have open requests."""
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
