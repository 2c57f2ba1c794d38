"""Structured logs, and the counters behind ``/metrics``. Neither ever holds a secret, a body or (above debug) an address."""

import json
import logging
import re
import sys
import threading
from bisect import bisect_left
from collections import Counter
from typing import Any

from mailsvc import clock

log = logging.getLogger("mailsvc")

_CREDENTIALS = re.compile(r"(://[^:/@\s]*:)[^@\s]+(@)|(whsec_)[A-Za-z0-9+/=]+|((?:Bearer|mk_)\s?)[A-Za-z0-9_-]{8,}")


def redact(text: str) -> str:
    """The text without passwords of URLs, webhook secrets and keys."""
    return _CREDENTIALS.sub(lambda m: (m[1] or m[3] or m[4] or "") + "********" + (m[2] or ""), text)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": clock.rfc3339(int(record.created * clock.SECOND)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(fields, ensure_ascii=False, default=str))


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{k}={v}" for k, v in getattr(record, "facts", {}).items())
        time = clock.rfc3339(int(record.created * clock.SECOND))[11:23]
        line = f"{time} {record.levelname.lower():7} {record.getMessage()} {facts}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


def set_up(log_format: str, level: str) -> None:
    """Send the log to stderr: for people on a terminal, as JSON lines elsewhere."""
    stream = logging.StreamHandler(sys.stderr)
    human = log_format == "console" or (log_format == "" and sys.stderr.isatty())
    stream.setFormatter(_Console() if human else _Json())
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(logging.WARNING)
    log.setLevel(level.upper())


def facts(**named: Any) -> dict[str, dict[str, Any]]:
    """``log.info("sent", extra=facts(delivery=id))``: what a log line says beside its text."""
    return {"facts": named}


LATENCY_BUCKETS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    15.0,
    60.0,
    300.0,
    3600.0,
)  # seconds


class Meter:
    """The counters of one process; its worker row carries them to whoever serves ``/metrics``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._gauges: dict[str, float] = {}
        self._latency = [0] * (len(LATENCY_BUCKETS) + 1)
        self._latency_sum = 0.0

    def count(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._counts[name] += by

    def gauge(self, name: str, value: float) -> None:
        with self._lock:
            self._gauges[name] = value

    def observe_latency(self, seconds: float) -> None:
        """From accept to the relay's reply."""
        with self._lock:
            self._latency[bisect_left(LATENCY_BUCKETS, seconds)] += 1
            self._latency_sum += seconds

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        with self._lock:
            return {
                "counts": dict(self._counts),
                "gauges": dict(self._gauges),
                "latency": list(self._latency),
                "latency_sum": self._latency_sum,
            }


meter = Meter()
