"""Injects faults at system calls, with strace, into a running process and its threads."""

import subprocess
import time

import psutil


def why_not() -> str | None:
    """Return why this machine can't inject faults, or None."""
    try:
        tried = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, text=True)
    except FileNotFoundError:
        return "strace is not installed"
    return None if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()}"


class Injection:
    """Applies ``what`` to a thread of the process at the ``when``-th of these calls (in strace's syntax).

    Args:
        what: such as ``signal=KILL`` or ``error=EIO``.
        when: such as ``3`` or ``2+3`` (the second, and every third after it); each thread counts separately.
    """

    def __init__(self, process: psutil.Process, call: str, what: str, when: str) -> None:
        options = ["-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={when}"]
        self._command = ["strace", *options, "-p", str(process.pid)]
        for _ in range(10):
            self._strace = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
            if self._is_in_force(process):
                return
            self.remove()  # a thread that started while strace attached was missed
        raise AssertionError("strace can't attach to all threads")

    def _is_in_force(self, process: psutil.Process) -> bool:
        """Whether strace has attached to all threads, or the fault has already ended the process."""
        calm, deadline = 0, time.monotonic() + 3
        while calm < 5 and time.monotonic() < deadline:
            try:
                calm = calm + 1 if all(_is_traced(process.pid, t.id) for t in process.threads()) else 0
            except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                if _is_gone(process):
                    return True
                calm = 0  # only a thread ended
            time.sleep(0.02)
        return calm == 5

    def remove(self) -> None:
        """Detach, so that the process continues without faults."""
        self._strace.terminate()
        self._strace.wait()


def _is_traced(pid: int, thread: int) -> bool:
    with open(f"/proc/{pid}/task/{thread}/status") as status:
        return any(line.startswith("TracerPid:") and int(line.split()[1]) != 0 for line in status)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
