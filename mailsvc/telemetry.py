"""Structured logs, and the counters behind ``/metrics``. Never with secrets, bodies or (above debug) addresses."""

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
log.addHandler(logging.NullHandler())  # in a program without logging, nothing is printed

_CREDENTIALS = re.compile(
    r"(://)\S*(@)"  # everything before the last @ of a URL: a password may contain an @, too
    r"|(://[^\s?]*\?)\S+?(?=[\"',;)}\]]*(?:\s|$))"
    r"|(whsec_)[A-Za-z0-9+/=]+"
    r"|((?:Bearer|mk_)\s?)[A-Za-z0-9_-]{8,}"
)
# Characters that control a terminal or change the order of text: C0, DEL, C1, Unicode's line breaks and directions.
_STEERING = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff\\ud800-\\udfff]"
)


def redact(text: str) -> str:
    """The text without secrets in URLs, webhook secrets and keys."""
    return _CREDENTIALS.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    kept: str = found[1] or found[3] or found[4] or found[5]
    return f"{kept}********{found[2] or ''}"


def _harmless(text: str) -> str:
    """The text with JSON escapes for characters that control a terminal; it may come from a mail server."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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
        return _harmless(redact(json.dumps(fields, ensure_ascii=False, default=str)))


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{k}={v}" for k, v in getattr(record, "facts", {}).items())
        time = clock.rfc3339(int(record.created * clock.SECOND))[11:23]
        lines = [f"{time} {record.levelname.lower():7} {record.getMessage()} {facts}".rstrip()]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        return "\n".join(_harmless(redact(line)) for line in lines)


def set_up(log_format: str, level: str) -> None:
    """Send the log to stderr: as text to a terminal, as JSON lines elsewhere."""
    stream = logging.StreamHandler(sys.stderr)
    human = log_format == "console" or (log_format == "" and sys.stderr.isatty())
    stream.setFormatter(_Console() if human else _Json())
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(logging.WARNING)
    log.setLevel(level.upper())


def facts(**named: Any) -> dict[str, dict[str, Any]]:
    """``log.info("sent", extra=facts(delivery=id))``: the fields of a log line, beside its text."""
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
    """The counters of one worker, or of one API; a worker's row carries them to the process that serves ``/metrics``."""

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
        """Count the time from accepting a message to the relay's reply."""
        with self._lock:
            self._latency[bisect_left(LATENCY_BUCKETS, seconds)] += 1
            self._latency_sum += seconds

    def snapshot(self) -> dict[str, Any]:
        """Return all counters as plain JSON values."""
        with self._lock:
            return {
                "counts": dict(self._counts),
                "gauges": dict(self._gauges),
                "latency": list(self._latency),
                "latency_sum": self._latency_sum,
            }
