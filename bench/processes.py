"""CPU time and memory of a system under measure: a process, its session and all its descendants, out of /proc."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB, summed over the processes; PSS counts shared pages once."""

    pss: float
    rss: float
    processes: int


@dataclass(frozen=True, slots=True)
class _Stat:
    pid: int
    parent: int
    session: int
    ticks: int  # own and of children that it has waited for, user and system


def cpu_seconds(*roots: int) -> float:
    """CPU seconds that these systems have used so far.

    Exact also for children that came and went in between, once their parent has waited for them.
    """
    return sum(stat.ticks for stat in _members(roots)) / _TICKS


def memory(*roots: int) -> Memory:
    """What these systems occupy now."""
    pss = rss = processes = 0
    for stat in _members(roots):
        try:
            rollup = Path(f"/proc/{stat.pid}/smaps_rollup").read_text()
        except OSError:
            continue  # ended in between
        sizes = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
        pss, rss, processes = (pss + sizes.get("Pss:", 0), rss + sizes.get("Rss:", 0), processes + 1)
    return Memory(pss / 1024, rss / 1024, processes)


def named(root: int, name: str) -> int:
    """The pid of the member of this system with this name; raises LookupError."""
    for stat in _members((root,)):
        if Path(f"/proc/{stat.pid}/comm").read_text().strip() == name:
            return stat.pid
    raise LookupError(name)


class PeakMemory:
    """Samples the memory of systems while the block runs."""

    def __init__(self, *roots: int, interval: float = 0.2) -> None:
        self.pss = self.rss = 0.0
        self._roots, self._interval = roots, interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            now = memory(*self._roots)
            self.pss, self.rss = max(self.pss, now.pss), max(self.rss, now.rss)
            if self._done.wait(self._interval):
                return


def _members(roots: tuple[int, ...]) -> list[_Stat]:
    stats = [stat for name in os.listdir("/proc") if name.isdigit() and (stat := _read(int(name)))]
    found = {stat.pid for stat in stats if stat.pid in roots or stat.session in roots}
    grew = True
    while grew:
        children = {stat.pid for stat in stats if stat.parent in found} - found
        grew = bool(children)
        found |= children
    return [stat for stat in stats if stat.pid in found]


def _read(pid: int) -> _Stat | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # every process of the machine, five times a second
            text = file.read()
    except OSError:
        return None
    words = text[text.rindex(b")") + 2 :].split()
    return _Stat(pid, int(words[1]), int(words[3]), sum(int(word) for word in words[11:15]))
