"""The HTTP API of an embedded service, in a thread with an event loop of its own."""

import asyncio
import contextlib
import socket
import threading

from mailsvc.runtime.eventloop import EventLoop
from mailsvc.service.api import Api
from mailsvc.service.httpserver import server_of
from mailsvc.service.listener import open_listener
from mailsvc.settings import Settings
from mailsvc.telemetry import Meter

__all__ = ["ApiThread"]


class ApiThread:
    """Answers requests.

    Args:
        listener: where; by default, on MAILSVC_BIND.

    Raises:
        SettingsError: the port can't be used.
    """

    def __init__(self, settings: Settings, meter: Meter, *, listener: socket.socket | None = None) -> None:
        self._listener = listener or open_listener(settings)
        self._api = Api(settings, meter)
        self._server = server_of(self._api.gateway, drain_seconds=0, log_level=None)
        self._loop = EventLoop("mailsvc-api")
        self._thread = threading.Thread(target=self._serve, name="mailsvc-api", daemon=True)
        self._thread.start()

    def ask_to_stop(self, seconds: float) -> None:
        """Finish the open requests within so many seconds, and take no others."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop, seconds)

    def join(self, seconds: float) -> bool:
        """Wait for the end. Returns whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _stop(self, seconds: float) -> None:
        self._api.gateway.at_stop()
        self._server.config.timeout_graceful_shutdown = max(1, int(seconds))
        self._server.should_exit = True

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._server.serve([self._listener]))
        finally:
            self._listener.close()
            self._api.close()
