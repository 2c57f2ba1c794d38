"""From what was observed to a figure, the same way for every system."""

from dataclasses import dataclass

from bench.counters import Count
from bench.figure import Figure, Invalid, Run


@dataclass(frozen=True, slots=True)
class Window:
    """What was observed between the first submit and the last message in the sink."""

    started_at: float  # monotonic
    cpu_s: float
    peak_mb: float  # PSS
    load_cpu_s: float = 0  # of a load generator that is no part of the system


def patience(run: Run) -> float:
    """Seconds after which even the slowest peer must be through."""
    return 60 + run.messages / 20


def conclude(run: Run, window: Window, count: Count) -> Figure:
    """The figure.

    Raises:
        Invalid: messages are missing.
    """
    if count.distinct != run.messages:
        raise Invalid(f"{count.distinct} distinct messages arrived of {run.messages}")
    seconds = count.last_at - window.started_at
    return Figure(
        {
            "rate": run.messages / seconds,
            "cpu": window.cpu_s / run.messages * 1000,
            "peak_mb": window.peak_mb,
            "duplicates": count.arrivals - count.distinct,
            "connections": count.connections,
            "sink_cpu": count.cpu_s / seconds,
            "load_cpu": window.load_cpu_s / seconds,
        }
    )
