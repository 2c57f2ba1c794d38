"""One run of an embedded service, from its start to its end: a daemon thread with the event loop of its worker."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailsvc import clock
from mailsvc.callbacks.callback import Callback
from mailsvc.errors import MailsvcError, Unavailable
from mailsvc.runtime.eventloop import EventLoop
from mailsvc.runtime.stop import Stop
from mailsvc.service.bootstrap import bootstrap
from mailsvc.service.restart import RestartBackoff
from mailsvc.service.roles import Worker
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.telemetry import Meter, facts, log

if TYPE_CHECKING:
    from mailsvc.embedding.api_thread import ApiThread

__all__ = ["Order", "Run"]

CONNECTIONS = 8  # to the database
LAST_SECONDS = 1.0  # for what was cancelled


@dataclass(frozen=True, slots=True)
class Order:
    """What is to run."""

    settings: Settings
    roles: tuple[str, ...]
    name: str
    callbacks: Callable[[], Iterable[Callback]] = tuple

    @property
    def has_api(self) -> bool:
        return "api" in self.roles

    @property
    def working(self) -> tuple[str, ...]:
        """The roles of the worker."""
        return tuple(role for role in self.roles if role != "api")


class Run:
    """A service that runs."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.database = Database(order.settings.database, pool_size=1, lock_seconds=1)  # for those who ask how it is
        self.meters: dict[str, Meter] = {}
        self._api: ApiThread | None = None
        self._loop, self._stop = EventLoop("mailsvc-db"), Stop()
        self._begun, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._worker: Worker | None = None
        self.is_ready = False
        self._thread = threading.Thread(target=self._run, name="mailsvc", daemon=True)

    def start(self, timeout: float) -> None:
        """Return when it is ready.

        Raises:
            MailsvcError: that was not to be within ``timeout`` seconds.
        """
        self._thread.start()
        if not self._begun.wait(timeout):
            raise Unavailable(f"The service was not ready within {timeout:g} s: the database does not answer.")
        if isinstance(self._error, MailsvcError):
            raise self._error
        if self._error is not None:
            raise Unavailable(f"The service can't start: {self._error}.") from self._error

    def add_callback(self, callback: Callback) -> None:
        """Call another function, too."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._add_callback, callback)

    def _add_callback(self, callback: Callback) -> None:
        if self._worker is not None:
            self._worker.add_callback(callback)

    def ask_to_stop(self, seconds: float) -> None:
        """Claim nothing more, and end what is in progress within so many seconds."""
        self.is_ready = False
        if self._api is not None:
            self._api.ask_to_stop(seconds)
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set_within, seconds)

    def stop(self, seconds: float) -> bool:
        """End within so many seconds. Returns whether all that was in progress ended by itself."""
        until = clock.monotonic() + seconds
        self.ask_to_stop(seconds)
        has_ended = self._ended.wait(seconds)
        if not has_ended:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._cancel)
            self._ended.wait(LAST_SECONDS)
        if self._api is not None:
            has_ended = self._api.join(max(LAST_SECONDS, until - clock.monotonic())) and has_ended
        self.database.close()
        return has_ended

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    # In the thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                self._prepare()
                runner.run(self._work())
        except asyncio.CancelledError:
            log.warning("the service was cut off at the end of its time")
        except Exception as error:  # noqa: BLE001 - whoever waits for the start must learn of it
            self._failed(error)
        finally:
            if self._api is not None:
                self._api.ask_to_stop(0)
            self._begun.set()
            self._ended.set()

    def _prepare(self) -> None:
        order = self._order
        start = bootstrap(order.settings, with_key=order.has_api)
        if start.is_sandbox and "deliver" in order.roles:
            said = "no relay is configured, so mail goes to a test server on this machine and reaches nobody"
            log.warning(said, extra=facts(todo="set MAILSVC_RELAY_URL"))
        if order.has_api and not self._stop.is_set():
            from mailsvc.embedding.api_thread import ApiThread  # noqa: PLC0415 - large, and mostly not needed

            self.meters["api"] = Meter()
            self._api = ApiThread(order.settings, self.meters["api"])

    async def _work(self) -> None:
        """Work until it must stop. After a fault of ours the worker begins anew."""
        backoff = RestartBackoff(self._order.name)
        while self._order.working and not self._stop.is_set():
            backoff.begin()
            try:
                self._worker = self._make_worker()
                await self._worker.run(self._stop, ready=self._became_ready)
            except Exception as error:
                if not self._begun.is_set():
                    raise
                self.is_ready = False
                log.error("the worker failed", exc_info=error)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff.without(error)):
                        await self._stop.wait()
        if not self._order.working:
            self._became_ready()
            if self._order.has_api:
                await self._stop.wait()

    def _make_worker(self) -> Worker:
        order, meter = self._order, Meter()
        worker = Worker(
            order.settings,
            order.working,
            name=order.name,
            connections=CONNECTIONS,
            meter=meter,
            callbacks=order.callbacks(),
        )
        self.meters = {name: kept for name, kept in self.meters.items() if name == "api"} | {worker.heartbeat.id: meter}
        return worker

    def _became_ready(self) -> None:
        self.is_ready = not self._stop.is_set()
        self._begun.set()

    def _failed(self, error: Exception) -> None:
        if self._begun.is_set():
            log.error("the service ended", exc_info=error)
        self._error = error
