"""Waiting for news: requests that poll the events feed sleep here until somebody commits an event."""

import threading

__all__ = ["Feed"]

MOST_WAITING = 16  # of the server's threads; others are answered at once and ask again


class Feed:
    """Wakes sleeping requests when the events topic rings."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings = 0
        self._waiting = 0
        self._stopping = False

    def heard(self, topics: bytes) -> None:
        """The bell rang."""
        if b"e" in topics:
            self._ring()

    def stop(self) -> None:
        """Let everybody go."""
        self._stopping = True
        self._ring()

    @property
    def mark(self) -> int:
        """Take it before looking; a ring after it ends the wait at once."""
        return self._rings

    def wait(self, mark: int, timeout: float) -> bool:
        """Sleep until there was a ring since the mark, or the time is up. False means: answer now, whatever there is."""
        with self._changed:
            if self._stopping or self._waiting >= MOST_WAITING:
                return False
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._rings != mark or self._stopping, timeout)
                return not self._stopping
            finally:
                self._waiting -= 1

    def _ring(self) -> None:
        with self._changed:
            self._rings += 1
            self._changed.notify_all()
