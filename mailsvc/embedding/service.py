"""``Service``: delivery, mailboxes, notifications and upkeep in the background of any Python program."""

import atexit
import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mailsvc import forking
from mailsvc.api.readiness import Readiness
from mailsvc.embedding.host import anchored, refuse_green_threads
from mailsvc.embedding.listening import Listening
from mailsvc.embedding.run import Order, Run
from mailsvc.embedding.sending import Sending
from mailsvc.embedding.storage import Storage
from mailsvc.errors import SettingsError
from mailsvc.runtime.heartbeat import process_name
from mailsvc.service import roles as worker_roles
from mailsvc.settings import Settings, load

if TYPE_CHECKING:
    from flask import Blueprint

    from mailsvc.embedding.blueprint import Authorize
    from mailsvc.embedding.mounted import Mounted

__all__ = ["Service"]

USUAL = worker_roles.ROLES
KNOWN = ("api", *USUAL)
AT_EXIT_SECONDS = 2.0

_numbers = itertools.count(1)
_started: set["Service"] = set()  # a service goes on though its program forgot it


class Service(Sending, Listening):
    """The service in this process, in daemon threads of its own.

    It forks nothing and starts no process. It touches nothing that is the program's: no signals, no configuration of
    logging, no default event loop, no limits, no environment. It may be made before a fork; it runs in the process that
    calls ``start``. At the program's end it is stopped within two seconds.

    Args:
        settings: by default the defaults; ``Service.from_env`` reads the environment.
        roles: what it does. None at all: only its tables are made ready, and others do the work.
        name: of its worker, in ``mailsvc doctor`` and the metrics; by default ``host/pid/n``.

    Raises:
        SettingsError: there is no such role.
    """

    def __init__(
        self, settings: Settings | None = None, *, roles: Sequence[str] = USUAL, name: str | None = None
    ) -> None:
        self.settings = anchored(settings or Settings())
        self._roles = _chosen(roles)
        self._number, self._name = next(_numbers), name
        self._storage = Storage(self.settings)
        self._api: Mounted | None = None
        Sending.__init__(self, self.settings, self._storage)
        Listening.__init__(self, self._storage, is_told="notify" in self._roles)
        forking.forget_in_child(self)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, roles: Sequence[str] = USUAL, name: str | None = None
    ) -> Self:
        """A service with the settings of the environment and of ``mailsvc.toml`` in the working directory.

        Raises:
            SettingsError: one of them can't be used.
        """
        return cls(load(environ), roles=roles, name=name)

    def start(self, timeout: float = 10.0) -> None:
        """Start it, and return when its tables are ready and its loops work. Does nothing if it runs.

        Args:
            timeout: seconds.

        Raises:
            SettingsError: a setting can't be used.
            TablesMissing: the tables are not those of this version, and ``auto_migrate`` is off.
            Unavailable: the database can't be reached, or was not in time. Nothing runs then.
        """
        with self._changing:
            if self._run is not None:
                return
            if self._roles:
                refuse_green_threads()
            forking.watch_forks()
            run = Run(Order(self.settings, self._roles, self.name, lambda: tuple(self._callbacks.values())))
            try:
                run.start(timeout)
            except BaseException:
                run.stop(0)
                raise
            self._run = run
            _stop_at_exit(self)

    def stop(self, timeout: float = 10.0) -> bool:
        """Claim no more, finish what is in progress, and end.

        What is not finished in time is given back, or left to its lease: it is sent later.

        Args:
            timeout: seconds.

        Returns:
            Whether all that was in progress ended in time; true if it does not run.
        """
        with self._changing:
            run, self._run = self._run, None
            _started.discard(self)
            has_ended = run is None or run.stop(timeout)
            self._storage.close()
            return has_ended

    def ask_to_stop(self, timeout: float) -> None:
        """As ``stop``, but does not wait for the end."""
        if (run := self._run) is not None:
            run.ask_to_stop(timeout)

    @property
    def wsgi(self) -> Callable[..., Any]:
        """The HTTP API as a WSGI application, to be mounted below any path; the service need not run."""
        return self._mounted().wsgi

    @property
    def asgi(self) -> Callable[..., Any]:
        """The HTTP API as an ASGI application; as the whole application, its lifespan starts and stops the service."""
        return self._mounted().asgi

    def blueprint(self, *, authorize: "Authorize | None" = None) -> "Blueprint":
        """The HTTP API as a blueprint ``mailsvc`` for a Flask application.

        Args:
            authorize: says for a request which app it may act for, in place of an API key; None refuses it.
        """
        from mailsvc.embedding.blueprint import make_blueprint  # noqa: PLC0415 - only for Flask's applications

        return make_blueprint(self._mounted(), authorize=authorize)

    def _mounted(self) -> "Mounted":
        if self._api is None:
            from mailsvc.embedding.mounted import Mounted  # noqa: PLC0415 - large, and mostly not needed

            self._api = Mounted(self.settings, self)
        return self._api

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def name(self) -> str:
        """The name of its worker."""
        return self._name or process_name(self._number)

    @property
    def is_running(self) -> bool:
        """Whether it was started in this process, and not stopped."""
        return self._run is not None

    @property
    def is_ready(self) -> bool:
        """Whether all its loops work. Not so while it begins anew after a fault."""
        return self._run is not None and self._run.is_ready

    def status(self) -> dict[str, Any]:
        """Look whether messages can be accepted: what ``GET /readyz`` answers, with ``name``, ``roles`` and ``pid``."""
        run = self._run
        checks = {"service": "is not running"} if run is None else Readiness(self.settings, run.database).look()
        is_ready = self.is_ready and all(said == "ok" for said in checks.values())
        said = "ready" if is_ready else "not_ready"
        return {"status": said, "checks": checks, "name": self.name, "roles": list(self._roles), "pid": os.getpid()}

    def metrics(self) -> str:
        """The metrics in Prometheus' text format, as ``GET /metrics`` has them; empty while it is not running.

        They tell of the whole database: its queue, and each of its workers with the label ``worker``.
        """
        from mailsvc.api.exposition import exposition  # noqa: PLC0415 - its library is not needed otherwise

        run = self._run
        return "" if run is None else exposition(run.database, run.meters).decode()

    def forked(self) -> None:
        """Called in a forked child: there it is not running."""
        self._changing = threading.Lock()
        self._run = None
        _started.discard(self)


def _chosen(roles: Sequence[str]) -> tuple[str, ...]:
    if isinstance(roles, str):
        raise SettingsError(f"roles are names in a tuple, such as ({roles!r},), not one text.")
    for role in roles:
        if role not in KNOWN:
            raise SettingsError(f"{role!r} is not a role; known are {', '.join(KNOWN)}.")
    return tuple(role for role in KNOWN if role in roles)


def _stop_at_exit(service: Service) -> None:
    if not _started:
        atexit.register(_stop_all)
    _started.add(service)


def _stop_all() -> None:
    running = list(_started)
    for service in running:
        service.ask_to_stop(AT_EXIT_SECONDS)
    for service in running:
        service.stop(AT_EXIT_SECONDS)
