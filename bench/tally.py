"""What a sink counts, and the line protocol by which the harness asks for it (inside the sink's process).

A line in on standard input: a number and ``report``, ``reset``, ``times`` or ``wait N`` (answered once N distinct
arrivals are there). A JSON line out on standard output, with the number in ``to``: who gave up waiting can tell.
Times are ``time.monotonic()``, which all processes here share.
"""

import json
import os
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

    def obey(self) -> None:
        """Do what the harness asks for on standard input; the program ends with it."""
        lines = os.read(sys.stdin.fileno(), 65536).decode().splitlines()  # short ones, which pipes don't tear
        if not lines:
            sys.exit()
        for line in lines:
            number, *words = line.split()
            self._answer(int(number), words)

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

    def _answer(self, number: int, words: list[str]) -> None:
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
