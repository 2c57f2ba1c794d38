"""The start of the service with a process's first request: after every fork of a server, also if it preloads."""

import threading

from flask import current_app

from mailsvc import clock, forking
from mailsvc.embedding import Service
from mailsvc.errors import MailsvcError
from mailsvc.telemetry import log

__all__ = ["FirstRequest"]

AGAIN_SECONDS = 5.0  # after a start that failed


class FirstRequest:
    """A hook before each request. A start that fails is logged, and the request is answered all the same.

    All requests wait for the first attempt, because it makes the tables that they may write to; later ones hold back none.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._starting = threading.Lock()
        self._is_tried = self._is_done = False
        self._again_at = float("-inf")
        forking.forget_in_child(self)

    def __call__(self) -> None:
        """Start the service, once in a process."""
        if self._is_done or current_app.testing or not self._starting.acquire(blocking=not self._is_tried):
            return
        try:
            if not self._is_done and clock.monotonic() >= self._again_at:
                self._service.start()
                self._is_done = True
        except MailsvcError as error:
            log.error("the service can't start in this application", exc_info=error)
            self._again_at = clock.monotonic() + AGAIN_SECONDS
        finally:
            self._is_tried = True
            self._starting.release()

    def forked(self) -> None:
        """Called in a forked child, which starts a service of its own."""
        self._starting = threading.Lock()
        self._is_tried = self._is_done = False
