"""``GET /metrics``: metrics of the whole service in Prometheus' text format. No key is needed."""

import threading

from flask import Blueprint, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from mailsvc import clock
from mailsvc.api.exposition import exposition
from mailsvc.api.operation import Operation
from mailsvc.api.parts import Services, services
from mailsvc.store.database import Database

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("metrics", __name__)

OPERATIONS = {
    "get_metrics": Operation(
        summary="Get the service's metrics in the Prometheus text format.", media="text/plain", problems=(503,)
    )
}

FRESH = 1.5  # seconds for which a response is reused


@blueprint.get("/metrics")
def get_metrics() -> Response:
    """Counters, queue depths and latencies."""
    return Response(_cache.text(services()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Cache:
    """Creates one response at a time, and gives it to all concurrent requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = b""
        self._database: Database | None = None
        self._stale_at = 0.0

    def text(self, parts: Services) -> bytes:
        with self._lock:
            begun = clock.monotonic()
            if begun >= self._stale_at or self._database is not parts.database:
                self._text, self._database = exposition(parts.database, {"api": parts.meter}), parts.database
                # Counting a queue of millions takes long: it may use at most a twentieth of the time.
                self._stale_at = clock.monotonic() + max(FRESH, 20 * (clock.monotonic() - begun))
            return self._text


_cache = _Cache()
