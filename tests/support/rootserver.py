"""Servers that only root may start: in the foreground, in a directory of their own, ended by pid and with the test run."""

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

PATIENCE = 20.0  # seconds until a server that doesn't come up or go down has failed
# Stands between us and a daemon, which may change its user and so clear the signal that it would get at our death.
_GUARD = 'trap \'kill -TERM "$child" 2>/dev/null\' TERM; "$0" "$@" & child=$!; wait "$child"; wait "$child"'
_AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


def why_not() -> str | None:
    """Why such servers can't be started here, in a sentence; None where they can."""
    for program in ("/usr/sbin/postfix", "/usr/sbin/dovecot"):
        if not os.access(program, os.X_OK):
            return f"{program} is missing: run .ci/system-packages"
    if _AS_ROOT and subprocess.run(["sh", "-c", "sudo -n true"], capture_output=True, check=False).returncode != 0:
        return "Postfix and Dovecot can only be started by root or with sudo"
    return None


def free_ports(host: str, count: int) -> list[int]:
    """Different ports that nobody listens on."""
    with ExitStack() as probes:
        found = []
        for _ in range(count):
            probe = probes.enter_context(socket.socket())
            probe.bind((host, 0))
            found.append(int(probe.getsockname()[1]))
        return found


def run_as_root(*command: str) -> str:
    """What it said, on success and in the error."""
    done = subprocess.run([*_AS_ROOT, *command], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{command} said {done.stdout}{done.stderr}"
    return done.stdout


class RootServer:
    """One daemon, its directory (which the daemons' users may pass) and its log."""

    def __init__(self, name: str) -> None:
        # Not pytest's own directory: that is closed to other users, and unix socket paths end at 107 characters.
        self.directory = Path(tempfile.mkdtemp(prefix=f"mailsvc-{name}-"))
        self.directory.chmod(0o755)
        self.log_path = self.directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, *command: str) -> None:
        """Start it. It dies with this process, however that ends."""
        with (self.directory / "out").open("ab") as out:  # a pipe would stay open in its children
            self._process = subprocess.Popen(
                [*_AS_ROOT, "setpriv", "--pdeathsig", "TERM", "sh", "-c", _GUARD, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.directory,
            )

    def wait_until(self, is_there: Callable[[], bool]) -> None:
        """Come back when the server that was launched is there; its log is the error."""
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while not is_there():
            code = self._process.poll()
            assert code is None, f"it ended with {code}:\n{self.log()}"
            assert time.monotonic() < deadline, f"not there in {PATIENCE} s:\n{self.log()}"
            time.sleep(0.02)

    def log(self) -> str:
        """The end of what it said."""
        paths = [path for path in (self.directory / "out", self.log_path) if os.access(path, os.R_OK)]
        return "".join(path.read_text(errors="replace")[-8000:] for path in paths)

    def stop(self) -> None:
        """End it and see it gone."""
        if self._process is not None and self._process.poll() is None:
            descendants = psutil.Process(self._process.pid).children(recursive=True)
            run_as_root("kill", "-TERM", str(self._process.pid))
            _, stubborn = psutil.wait_procs(descendants, timeout=PATIENCE)
            if stubborn:
                run_as_root("kill", "-KILL", *(str(process.pid) for process in stubborn))
            self._process.wait(PATIENCE)
        self._process = None

    def remove(self) -> None:
        """Stop it for good, and leave nothing."""
        self.stop()
        if _AS_ROOT:
            run_as_root("rm", "-rf", str(self.directory))
        shutil.rmtree(self.directory, ignore_errors=True)
