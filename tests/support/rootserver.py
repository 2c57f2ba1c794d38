"""Servers that only root may start: in the foreground, in their own directory; stopped by pid and with the test run."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil

__all__ = ["RootServer", "free_ports", "run_as_root", "why_not"]

PATIENCE = 20.0  # seconds until a start or stop counts as failed
# A shell between the test run and a daemon: the daemon may change its user, which clears its parent-death signal.
_GUARD = 'trap \'kill -TERM "$child" 2>/dev/null\' TERM; "$0" "$@" & child=$!; wait "$child"; wait "$child"'
_AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


def why_not() -> str | None:
    """Return why such servers can't be started here, in a sentence; None if they can."""
    for program in ("/usr/sbin/postfix", "/usr/sbin/dovecot"):
        if not os.access(program, os.X_OK):
            return f"{program} is missing: run .ci/system-packages"
    if _AS_ROOT and subprocess.run(["sh", "-c", "sudo -n true"], capture_output=True, check=False).returncode != 0:
        return "Postfix and Dovecot can only be started by root or with sudo"
    return None


def free_ports(host: str, count: int) -> list[int]:
    """Return different ports that are not in use."""
    with ExitStack() as probes:
        found = []
        for _ in range(count):
            probe = probes.enter_context(socket.socket())
            probe.bind((host, 0))
            found.append(int(probe.getsockname()[1]))
        return found


def run_as_root(*command: str) -> str:
    """Return the command's output, which is also in the error."""
    done = subprocess.run([*_AS_ROOT, *command], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{command} said {done.stdout}{done.stderr}"
    return done.stdout


class RootServer:
    """One daemon, its directory (which the daemons' users may enter) and its log."""

    def __init__(self, name: str) -> None:
        # Not pytest's own directory: it is closed to other users, and unix socket paths have at most 107 characters.
        self.directory = Path(tempfile.mkdtemp(prefix=f"mailsvc-{name}-"))
        self.directory.chmod(0o755)
        self.log_path = self.directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, *command: str) -> None:
        """Start it. It ends with this process, for whatever reason."""
        with (self.directory / "out").open("ab") as out:  # its children would keep a pipe open
            self._process = subprocess.Popen(
                [*_AS_ROOT, "setpriv", "--pdeathsig", "TERM", "sh", "-c", _GUARD, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.directory,
            )

    def wait_until(self, is_there: Callable[[], bool]) -> None:
        """Wait until the launched server responds; otherwise raise its log."""
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while not is_there():
            code = self._process.poll()
            assert code is None, f"it ended with {code}:\n{self.log()}"
            assert time.monotonic() < deadline, f"not there in {PATIENCE} s:\n{self.log()}"
            time.sleep(0.02)

    def log(self) -> str:
        """Return the end of its output."""
        paths = [path for path in (self.directory / "out", self.log_path) if os.access(path, os.R_OK)]
        return "".join(path.read_text(errors="replace")[-8000:] for path in paths)

    def stop(self) -> None:
        """Stop it, and wait until it has ended."""
        if self._process is not None and self._process.poll() is None:
            descendants = psutil.Process(self._process.pid).children(recursive=True)
            run_as_root("kill", "-TERM", str(self._process.pid))
            _, stubborn = psutil.wait_procs(descendants, timeout=PATIENCE)
            if stubborn:
                run_as_root("kill", "-KILL", *(str(process.pid) for process in stubborn))
            self._process.wait(PATIENCE)
        self._process = None

    def remove(self) -> None:
        """Stop it, and remove its files."""
        self.stop()
        if _AS_ROOT:
            run_as_root("rm", "-rf", str(self.directory))
        shutil.rmtree(self.directory, ignore_errors=True)
