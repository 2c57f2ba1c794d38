"""How a program under orders is run: orders as JSON by argument, ``ready`` out, ``go`` in, its result as JSON out.

The two steps keep start-up and preparation out of what is measured. A program may hold back what takes it long to work
out until it is asked by another line.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from bench.children import ROOT, is_readable, stop

T = TypeVar("T")


class Load:
    """A program that is ready to begin."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process

    def go(self) -> None:
        """Let it begin."""
        if self._process.stdin is None:
            raise RuntimeError("the program has no standard input")
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def result(self, *, seconds: float) -> dict[str, Any]:
        """What it reports at its end.

        Raises:
            RuntimeError: it failed, or takes longer; what it wrote to standard error is on the terminal.
        """
        values: dict[str, Any] = json.loads(self.line(seconds=seconds))
        return values

    def account(self, *, seconds: float) -> dict[str, Any]:
        """What it works out only when it is asked, since that takes time which what is measured may need."""
        self.go()
        return self.result(seconds=seconds)

    def line(self, *, seconds: float) -> bytes:
        """Its next line of output."""
        if self._process.stdout is None:
            raise RuntimeError("the program has no standard output")
        line = self._process.stdout.readline() if is_readable(self._process.stdout, seconds=seconds) else b""
        if not line:
            raise RuntimeError(f"no response from {self._process.args!r:.200}")
        return line


def orders_from_arguments() -> dict[str, Any]:
    """Inside the program: its orders."""
    values: dict[str, Any] = json.loads(sys.argv[1])
    return values


def wait_for_go() -> None:
    """Inside the program: everything is prepared."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    wait_until_asked()


def wait_until_asked() -> None:
    """Inside the program: the next line of the harness."""
    if not sys.stdin.readline():
        sys.exit()


def prepared(items: Iterator[T], most: int) -> Iterator[T]:
    """Inside the program: the same, of which so many are made at once."""
    return itertools.chain(list(itertools.islice(items, most)), items)


def report(values: Mapping[str, object]) -> None:
    """Inside the program: its result."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def load(
    module: str, orders: Mapping[str, object], *, python: str = sys.executable, env: Mapping[str, str] | None = None
) -> Iterator[Load]:
    """``python -m module`` with these orders, ready to go."""
    with program([python, "-m", module, json.dumps(orders)], env=env) as running:
        yield running


@contextlib.contextmanager
def program(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Iterator[Load]:
    """Any program that keeps to the two steps."""
    process = subprocess.Popen(  # noqa: S603 - commands of the harness
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
    )
    try:
        running = Load(process)
        running.line(seconds=60)
        yield running
    finally:
        stop(process, patience=2)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
