"""Child processes: forked by the first process, ended with it, restarted when they die."""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import threading
from collections.abc import Callable, Sequence

from mailsvc import clock
from mailsvc.telemetry import facts, log

__all__ = [
    "DRAIN_SECONDS",
    "STOPPING",
    "Child",
    "RestartBackoff",
    "allow_files",
    "collect_seldom",
    "die_with_parent",
    "join_all",
    "lack_of_files",
    "name_process",
    "on_stop",
    "return_large_memory",
]

DRAIN_SECONDS = 10  # for work in progress
SETTLE_SECONDS = 3  # after that, for storing the results; then the remaining processes are killed
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 8.0
LONG_LIFE = 60.0
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# A service started with nohup must not stop when the terminal closes.
_IS_NOHUP = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
STOPPING = (signal.SIGTERM, signal.SIGINT, *(() if _IS_NOHUP else (signal.SIGHUP,)))
_LAST_DESCRIPTOR = 65536
LEAST_FILES = 512  # half of them for client connections


def on_stop(react: Callable[[], None]) -> None:
    """Call ``react``, in a separate thread, at every SIGTERM, SIGINT and SIGHUP. Call this before other threads start.

    Python runs signal handlers in the main thread, which misses a signal that comes just before it waits for a lock.
    A child would also inherit the handlers: a signal sent before it sets its own would run the parent's, to no effect.
    Therefore children end by these signals until they set handlers.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    os.register_at_fork(after_in_child=_hear)

    def listen() -> None:
        while True:
            signal.sigwait(STOPPING)
            react()

    threading.Thread(target=listen, name="signals", daemon=True).start()


def _hear() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def die_with_parent(parent: int) -> None:
    """Make the kernel end this process when its parent ends, for whatever reason."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)  # it ended before the call


def name_process(name: str) -> None:
    """Set the name in ``ps`` and ``top``; at most 15 characters."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def let_others_finish() -> None:
    """Make this process preempt no other, without running less itself (Linux; no effect elsewhere).

    The processes of a service wake each other many times per message; a relay's reply or a request wakes one, too.
    Without this, each would interrupt another in the middle of its work: on two processors, an eighth of the time was
    spent on context switches. It makes no difference on idle processors.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def collect_seldom() -> None:
    """Run the garbage collector less often, in a process that creates many small short-lived objects.

    Every message consists of a few dozen objects, which reference counting frees at once. By default, Python looks for
    cycles after every 700 of them, which is a fifth of the cost of accepting or recording a message.
    """
    gc.set_threshold(50_000, 20, 50)


def return_large_memory() -> None:
    """Return the memory of large requests to the system at once (glibc; no effect elsewhere).

    By default, glibc learns to keep blocks of up to 32 MiB in the arena of each thread: after a few large messages at
    the same time, the API process kept 430 MiB for good; with this setting, 70. A little is kept, because new pages are
    costly.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 1024 * 1024)
        mallopt(_M_TRIM_THRESHOLD, 4 * 1024 * 1024)


def allow_files(wanted: int) -> None:
    """Raise the limit of open files to this number, or as far as allowed: Linux grants 1,024 by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def lack_of_files() -> str | None:
    """A sentence about a limit of open files that is too low to work; None if it is high enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= LEAST_FILES:
        return None
    return (
        f"The limit of open files is {hard}, and mailsvc needs at least {LEAST_FILES}: raise it "
        "(ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of Docker)."
    )


class RestartBackoff:
    """The pauses before a process that died, or couldn't start, is started again.

    They grow until a process has run for a minute.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pause = 0.0
        self._born_at = clock.monotonic()

    def begin(self) -> None:
        """Note that a process starts."""
        self._born_at = clock.monotonic()

    def after(self, exit_code: int) -> float:
        """Note that it has ended. Returns the seconds to wait."""
        return self._lengthen("ended", exit_code=exit_code)

    def without(self, error: OSError) -> float:
        """Note that it could not be started. Returns the seconds to wait."""
        return self._lengthen("could not be started", error=str(error))

    def _lengthen(self, what: str, **said: object) -> float:
        lived_long = clock.monotonic() - self._born_at > LONG_LIFE
        self._pause = FIRST_PAUSE if lived_long else min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pause))
        log.error(f"the {self._name} {what}; restarting it", extra=facts(**said, seconds=self._pause))
        return self._pause


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
