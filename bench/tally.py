"""What a sink counts, and the line protocol by which the harness asks for it (inside the sink's process).

A line in on standard input: a number and ``report``, ``reset``, ``times`` or ``wait N`` (answered once N distinct
arrivals are there). A JSON line out on standard output, with the number in ``to``: who gave up waiting can tell.
Times are ``time.monotonic()``, which all processes here share.
"""

import asyncio
import json
import sys
import time


class Tally:
    """Arrivals by their identity."""

    def __init__(self) -> None:
        self.arrivals = 0
        self.connections = 0
        self.seen: dict[bytes, float] = {}
        self.last_at = 0.0
        self._goal, self._waiting = sys.maxsize, 0
        self._idle_cpu = time.process_time()

    def add(self, identity: bytes) -> None:
        """One arrival, now."""
        self.arrivals += 1
        if identity in self.seen:
            return
        self.last_at = self.seen[identity] = time.monotonic()
        if len(self.seen) >= self._goal:
            self._goal = sys.maxsize
            _say({**self.report(), "to": self._waiting})

    async def serve_control(self) -> None:
        """Answer the harness until it closes standard input."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            number, *words = line.decode().split()
            self._obey(int(number), words)

    def report(self) -> dict[str, float]:
        """Everything but the single times."""
        return {
            "arrivals": self.arrivals,
            "distinct": len(self.seen),
            "connections": self.connections,
            "first_at": next(iter(self.seen.values()), 0.0),
            "last_at": self.last_at,
            "cpu_s": time.process_time() - self._idle_cpu,
        }

    def _obey(self, number: int, words: list[str]) -> None:
        match words:
            case ["wait", goal] if len(self.seen) < int(goal):
                self._goal, self._waiting = int(goal), number
            case ["wait", _] | ["report"]:
                _say({**self.report(), "to": number})
            case ["times"]:
                _say({**{identity.decode("latin-1"): at for identity, at in self.seen.items()}, "to": number})
            case ["reset"]:
                self.arrivals, self.connections, self.last_at = 0, 0, 0.0
                self.seen.clear()
                self._idle_cpu = time.process_time()
                self._goal = sys.maxsize
                _say({**self.report(), "to": number})
            case _:
                raise ValueError(f"unknown command {words}")


def announce(port: int) -> None:
    """Tell the harness where the sink listens."""
    _say({"port": port, "to": 0})


def _say(values: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()
