"""Starting and ending the processes of a measurement; nothing outlives its block."""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def started(
    command: list[str], *, log: Path, env: Mapping[str, str] | None = None, user: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, output to ``log``; the whole session is ended with the block."""
    # What the caller has set for a mailsvc of his own must not reach the one under measure.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAILSVC_")}
    environment = {**inherited, **(env or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of the harness
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=ROOT,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], *, patience: float = 15) -> None:
    """SIGTERM to the process, SIGKILL to what is left of its group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def is_readable(file: IO[bytes], *, seconds: float) -> bool:
    """Whether something can be read from it within this time; not by select(2), which ends at descriptor 1,023."""
    with selectors.DefaultSelector() as selector:
        selector.register(file, selectors.EVENT_READ)
        return bool(selector.select(max(0.0, seconds)))


def free_port() -> int:
    """A port that nobody listens on at this moment, for servers that can't tell which one they got."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], *, log: Path, seconds: float = 30) -> None:
    """Return once something listens there.

    Raises:
        RuntimeError: the process ended, or the time is over; the end of its log is in the message.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}; the log ends: {tail(log)}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(empty)"
