"""Whether the CPUs are busy, so that less urgent work should wait."""

from pathlib import Path

from mailsvc import clock

__all__ = ["CpuPressure"]

WINDOW = 0.25  # seconds
CROWDED = 0.3  # of the time for which a process wants a processor, it waits for one
_SCHEDULING = Path("/proc/self/schedstat")  # of the first thread: nanoseconds on a processor, and waiting for one


class CpuPressure:
    """Measured by how long this process waits for a CPU."""

    def __init__(self) -> None:
        self._measured_at = clock.monotonic()
        self._ran, self._waited = _scheduling()
        self._is_high = False

    def is_high(self) -> bool:
        """Whether the CPUs are busy. Cheap enough to call often."""
        now = clock.monotonic()
        if now - self._measured_at >= WINDOW:
            ran, waited = _scheduling()
            self._is_high = waited - self._waited > CROWDED * (ran - self._ran + waited - self._waited)
            self._measured_at, self._ran, self._waited = now, ran, waited
        return self._is_high


def _scheduling() -> tuple[int, int]:
    try:
        ran, waited, _ = map(int, _SCHEDULING.read_text("ascii").split())
    except (OSError, ValueError):
        return 0, 0  # the kernel doesn't provide these numbers
    return ran, waited
