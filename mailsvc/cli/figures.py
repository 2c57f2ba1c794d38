"""Parses the metrics of ``GET /metrics`` (Prometheus' text format)."""

import re

__all__ = ["read_figures"]

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^}]*\})?) ([0-9.eE+-]+)", re.ASCII)


def read_figures(text: str) -> dict[str, float]:
    """Return each sample by its name and labels: ``{'mailsvc_queue_deliveries{state="due"}': 3.0}``."""
    found = (_SAMPLE.fullmatch(line) for line in text.splitlines() if not line.startswith("#"))
    return {match[1]: float(match[2]) for match in found if match}
