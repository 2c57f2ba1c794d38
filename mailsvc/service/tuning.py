"""What a process asks of the system and of the interpreter: its name, its scheduling, its memory, its open files."""

import contextlib
import ctypes
import gc
import os
import resource

__all__ = [
    "allow_files",
    "collect_seldom",
    "lack_of_files",
    "let_others_finish",
    "name_process",
    "return_large_memory",
]

LEAST_FILES = 512  # half of them for client connections
_PR_SET_NAME = 15
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


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
