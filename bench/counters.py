"""The harness's side of a sink: start it in a process of its own, ask it, wait for it without polling."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.children import ROOT, is_readable
from bench.figure import Invalid
from bench.tlsfiles import TlsFiles

USERNAME, PASSWORD = "bench", "bench-password"


@dataclass(frozen=True, slots=True)
class Count:
    """What a sink has got; times on the monotonic clock."""

    arrivals: int
    distinct: int
    connections: int
    first_at: float
    last_at: float  # of the last arrival that was not a duplicate
    cpu_s: float  # of the sink itself: near the elapsed time, it was the limit


class Counter:
    """A running sink."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a sink is controlled over its pipes")
        self._in: IO[bytes] = process.stdin
        self._out: IO[bytes] = process.stdout
        self._asked = 0
        self.port = int(self._read(30)["port"])

    def report(self) -> Count:
        """The state now."""
        return self._count("report", 30)

    def reset(self) -> None:
        """Begin to count anew."""
        self._count("reset", 30)

    def wait_for(self, distinct: int, *, seconds: float) -> Count:
        """The state at the arrival of the Nth distinct message.

        Raises:
            Invalid: they did not come in this time.
        """
        try:
            return self._count(f"wait {distinct}", seconds)
        except TimeoutError:
            count = self.report()
            raise Invalid(f"{count.distinct} of {distinct} arrived in {seconds:.0f} s") from None

    def times(self) -> dict[str, float]:
        """When each identity arrived."""
        return self._ask("times", 60)

    def _count(self, command: str, seconds: float) -> Count:
        answer = self._ask(command, seconds)
        return Count(
            arrivals=int(answer["arrivals"]),
            distinct=int(answer["distinct"]),
            connections=int(answer["connections"]),
            first_at=answer["first_at"],
            last_at=answer["last_at"],
            cpu_s=answer["cpu_s"],
        )

    def _ask(self, command: str, seconds: float) -> dict[str, float]:
        self._asked += 1
        self._in.write(f"{self._asked} {command}\n".encode())
        self._in.flush()
        return self._read(seconds)

    def _read(self, seconds: float) -> dict[str, float]:
        deadline = time.monotonic() + seconds
        while is_readable(self._out, seconds=deadline - time.monotonic()):
            values: dict[str, float] = json.loads(self._out.readline())
            if values.pop("to") == self._asked:
                return values
        raise TimeoutError("the sink did not respond")


@contextlib.contextmanager
def smtp_sink(tls: TlsFiles, *, delay_ms: float = 0) -> Iterator[Counter]:
    """A receiving submission server; ``delay_ms`` passes before each reply."""
    command = ["bench.sink", "--certificate", str(tls.certificate), "--key", str(tls.key), "--delay-ms", str(delay_ms)]
    with _sink(command) as counter:
        yield counter


@contextlib.contextmanager
def hook_sink() -> Iterator[Counter]:
    """An application's webhook endpoint that says 204 to everything."""
    with _sink(["bench.hooks"]) as counter:
        yield counter


@contextlib.contextmanager
def _sink(arguments: list[str]) -> Iterator[Counter]:
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=Path(ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=0
    )
    try:
        yield Counter(process)
    finally:
        process.kill()
        process.communicate()
