"""Child processes: forked by the first process, ended with it, restarted when they die."""

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Sequence

from mailsvc import clock
from mailsvc.service.restart import RestartBackoff
from mailsvc.service.tuning import collect_seldom, let_others_finish, name_process, return_large_memory
from mailsvc.telemetry import log

__all__ = [
    "DRAIN_SECONDS",
    "STOPPING",
    "Child",
    "die_with_parent",
    "join_all",
    "on_stop",
]

DRAIN_SECONDS = 10  # for work in progress
SETTLE_SECONDS = 3  # after that, for storing the results; then the remaining processes are killed
_PR_SET_PDEATHSIG = 1
# A service started with nohup must not stop when the terminal closes.
_IS_NOHUP = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
STOPPING = (signal.SIGTERM, signal.SIGINT, *(() if _IS_NOHUP else (signal.SIGHUP,)))
_LAST_DESCRIPTOR = 65536


def on_stop(react: Callable[[], None]) -> None:
    """Call ``react``, in a separate thread, at every SIGTERM, SIGINT and SIGHUP. Call this before other threads start.

    Python runs signal handlers in the main thread, which misses a signal that comes just before it waits for a lock.
    A child would also inherit the handlers: a signal sent before it sets its own would run the parent's, to no effect.
    Therefore children end by these signals until they set handlers.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    os.register_at_fork(after_in_child=_unblock_signals)

    def listen() -> None:
        while True:
            signal.sigwait(STOPPING)
            react()

    threading.Thread(target=listen, name="signals", daemon=True).start()


def _unblock_signals() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def die_with_parent(parent: int) -> None:
    """Make the kernel end this process when its parent ends, for whatever reason."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)  # it ended before the call


class Child:
    """A child process that is restarted when it dies.

    Args:
        name: its name in ``ps`` and in the log.
        work: its function, which ends at SIGTERM.
        keep: the parent's file descriptor that it needs.
    """

    def __init__(self, name: str, work: Callable[[], None], *, keep: int | None = None) -> None:
        self._name, self._work, self._keep = name, work, keep
        self._pid: int | None = None
        self._until = 0.0  # when it is killed, once it must drain
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"{name}-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Make it drain; the second call kills it."""
        if self._stopping.is_set():
            self._send(signal.SIGKILL)
        else:
            self.ask_to_drain()

    def ask_to_drain(self) -> None:
        """Make it drain; further calls have no effect."""
        if not self._stopping.is_set():
            self._until = clock.monotonic() + DRAIN_SECONDS + SETTLE_SECONDS
            self._stopping.set()
            self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def join(self) -> None:
        """Wait until it has drained; kill it some seconds after its time for that."""
        if not self._thread.ident:
            return
        self.ask_to_drain()
        self._thread.join(max(0.0, self._until - clock.monotonic()))
        if self._thread.is_alive():
            self._send(signal.SIGKILL)
            self._thread.join()

    def _watch(self) -> None:
        # The thread that starts a child must outlive it: the end of the thread would trigger the parent-death signal.
        backoff = RestartBackoff(self._name)
        while not self._stopping.is_set():
            parent = os.getpid()
            backoff.begin()
            try:
                pid = os.fork()
            except OSError as error:  # too many processes or too little memory, which may pass
                self._stopping.wait(backoff.without(error))
                continue
            if pid == 0:
                self._be_child(parent)
            self._pid = pid
            if self._stopping.is_set():  # set since the last check, when there was no process to signal
                os.kill(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
            self._pid = None
            if not self._stopping.is_set():
                self._stopping.wait(backoff.after(os.waitstatus_to_exitcode(status)))

    def _be_child(self, parent: int) -> None:
        """Run the work, and never return: the parent's code after it is not for this process."""
        code = 1
        try:
            die_with_parent(parent)
            kept = _LAST_DESCRIPTOR if self._keep is None else self._keep
            os.closerange(3, kept)
            os.closerange(kept + 1, _LAST_DESCRIPTOR)
            name_process(f"mailsvc-{self._name}")
            return_large_memory()
            collect_seldom()
            let_others_finish()
            self._work()
            code = 0
        except Exception as error:  # noqa: BLE001 - the log must show it
            log.error(f"the {self._name} failed", exc_info=error)
        finally:
            os._exit(code)


def join_all(children: Sequence[Child]) -> None:
    """Wait until all have drained or were killed."""
    for child in children:
        child.ask_to_drain()
    for child in children:
        child.join()
