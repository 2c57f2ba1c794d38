"""``mailsvc serve``: one command, a few processes of one process group that live and end together.

The first process only supervises: it is granian's own, forks the API's process and the worker's, and forks one again
that died. It loads the program once, and opens nothing: its children share that memory, and start at once.
"""

import gc
import os
import signal
import sys
import threading
from functools import partial
from http.client import HTTPConnection
from typing import Any

from mailsvc import clock
from mailsvc.service.offspring import (
    DRAIN_SECONDS,
    WorkerProcess,
    collect_seldom,
    die_with_parent,
    name_process,
    return_large_memory,
)
from mailsvc.settings import BadSetting, Settings
from mailsvc.telemetry import facts, log

__all__ = ["serve"]

API_THREADS = 32


def serve(settings: Settings, roles: tuple[str, ...]) -> int:
    """Run the roles until SIGTERM or SIGINT. Returns the exit code."""
    preparing = _Preparation(settings)
    from mailsvc.service.roles import run_worker  # noqa: PLC0415 - loaded while the other process prepares

    first_key = preparing.join()
    work = tuple(role for role in roles if role != "api")
    if "api" not in roles:
        log.info("ready", extra=facts(roles=",".join(work)))
        return_large_memory()
        collect_seldom()
        run_worker(settings, work)
        return 0
    _check_port(settings)
    gc.collect()
    gc.freeze()  # collecting in a child would copy every page that it shares
    worker = WorkerProcess(partial(run_worker, settings, work)) if work else None
    _serve_api(settings, worker, first_key)
    return 0


class _Preparation:
    """The bootstrap, in a child: what it loads is not kept, and this process loads the program meanwhile."""

    def __init__(self, settings: Settings) -> None:
        reader, writer = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(reader)
            os._exit(_bootstrap_child(settings, writer))
        os.close(writer)
        self._reader = reader

    def join(self) -> str | None:
        """A newly made first key. Raises BadSetting where the start failed."""
        with os.fdopen(self._reader, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(self._child, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise BadSetting(said or "The start failed before it could say why.")
        return said or None


def _bootstrap_child(settings: Settings, writer: int) -> int:
    try:
        from mailsvc.service.bootstrap import bootstrap  # noqa: PLC0415 - see above

        said, code = bootstrap(settings) or "", 0
    except BadSetting as error:
        said, code = str(error), 1
    except Exception as error:  # noqa: BLE001 - the parent must be told, whatever it is
        log.error("bootstrap failed", exc_info=error)
        said, code = f"The start failed: {error}", 1
    os.write(writer, said.encode())
    return code


def _check_port(settings: Settings) -> None:
    """Granian shares ports (SO_REUSEPORT); two services on one port would split the requests between them."""
    import socket  # noqa: PLC0415

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise BadSetting(f"MAILSVC_BIND {settings.bind} can't be used: {error.strerror}.") from error


def _serve_api(settings: Settings, worker: WorkerProcess | None, first_key: str | None) -> None:
    from granian.constants import Interfaces  # noqa: PLC0415 - processes without the API have no use for it
    from granian.log import LogLevels  # noqa: PLC0415

    from mailsvc.service.apiserver import ApiServer  # noqa: PLC0415

    server: Any = ApiServer(
        "mailsvc",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=API_THREADS,
        backpressure=256,
        backlog=2048,
        websockets=False,
        log_level=LogLevels.error,
        workers_kill_timeout=DRAIN_SECONDS,
    )

    def interrupted(*_: object) -> None:
        if server.interrupt_signal:
            for child in server.wrks:
                child.kill()
        if worker is not None:
            worker.stop()
        server.signal_handler_interrupt()

    def started() -> None:
        signal.signal(signal.SIGTERM, interrupted)
        signal.signal(signal.SIGINT, interrupted)
        threading.Thread(target=after_fork, daemon=True).start()

    def after_fork() -> None:
        # Granian forks next. A thread that holds a lock at that moment (an import's, say) would leave it locked in the
        # child for ever, so this one does nothing but wait until the fork has happened.
        while not (server.wrks and server.wrks[0].inner.pid):
            forked.wait(0.01)
        if worker is not None:
            worker.start()
        _announce_ready(settings, first_key)

    forked = threading.Event()  # never set: only a way to rest
    server.on_startup(started)
    if worker is not None:
        server.on_shutdown(worker.join)
    server.serve(target_loader=partial(_load_app, settings), wrap_loader=False)


def _load_app(settings: Settings) -> Any:
    die_with_parent(os.getppid())
    name_process("mailsvc-api")
    return_large_memory()
    collect_seldom()
    from mailsvc.service.roles import make_app  # noqa: PLC0415 - the first process has loaded it

    return make_app(settings).wsgi_app


def _announce_ready(settings: Settings, first_key: str | None) -> None:
    url = f"http://{settings.bind}"
    deadline = clock.monotonic() + 60
    pause = threading.Event()
    while clock.monotonic() < deadline and not _is_ready(settings):
        pause.wait(0.05)
    log.info("ready", extra=facts(url=url))
    if settings.relay_url is None:
        from mailsvc.service.banner import banner  # noqa: PLC0415

        sys.stderr.write(banner(settings, url, first_key))
        sys.stderr.flush()


def _is_ready(settings: Settings) -> bool:
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 - a comparison
    connection = HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
