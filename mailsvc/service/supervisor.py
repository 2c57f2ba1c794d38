"""``mailsvc serve``: one command, a few processes of one process group that live and end together.

The first process only supervises: it is granian's own, starts the API's process and the worker's, restarts one that
died, and stays small because it never loads the database.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from http.client import HTTPConnection
from typing import Any

from mailsvc import clock
from mailsvc.settings import BadSetting, Settings
from mailsvc.telemetry import facts, log

__all__ = ["die_with_parent", "serve"]

API_THREADS = 32
DRAIN_SECONDS = 10
_PR_SET_PDEATHSIG = 1
_M_MMAP_THRESHOLD = -3


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when the one that started it ends, however that ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)  # it ended before we could ask


def return_large_memory() -> None:
    """Have what large requests took go back to the system at once (glibc; nothing elsewhere).

    Left alone, glibc learns to keep blocks of up to 32 MiB in the arena of each thread: a few large messages at the
    same time made the API's process keep 430 MiB for good, with this 70.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1024 * 1024)


def serve(settings: Settings, roles: tuple[str, ...], *, is_prepared: bool = False) -> int:
    """Run the roles until SIGTERM or SIGINT. Returns the exit code."""
    first_key = None if is_prepared else _bootstrap_apart(settings)
    work = tuple(role for role in roles if role != "api")
    if "api" not in roles:
        from mailsvc.service.roles import run_worker  # noqa: PLC0415 - only the process that works loads the database

        if not is_prepared:
            log.info("ready", extra=facts(roles=",".join(work)))
        return_large_memory()
        run_worker(settings, work)
        return 0
    _check_port(settings)
    worker = _WorkerProcess(work) if work else None
    _serve_api(settings, worker, first_key)
    return 0


def _bootstrap_apart(settings: Settings) -> str | None:
    """Bootstrap in a child, so that what it loads is not kept. Returns a newly made first key."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os._exit(_bootstrap_child(settings, writer))
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
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


class _WorkerProcess:
    """The worker as a child process that is started again when it dies."""

    def __init__(self, roles: tuple[str, ...]) -> None:
        self._command = [
            sys.executable,
            "-m",
            "mailsvc",
            "serve",
            "--roles",
            ",".join(roles),
            "--parent",
            str(os.getpid()),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="worker-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to drain, once; asked again, end it."""
        again = self._stopping.is_set()
        self._stopping.set()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL if again else signal.SIGTERM)

    def join(self) -> None:
        if not self._thread.ident:
            return
        self._thread.join(DRAIN_SECONDS)
        if self._thread.is_alive():
            self.stop()
            self._thread.join()

    def _watch(self) -> None:
        # The thread that starts a child must outlive it: its end would trigger the child's parent-death signal.
        while not self._stopping.is_set():
            self._process = subprocess.Popen(self._command)  # noqa: S603 - our own program
            code = self._process.wait()
            if not self._stopping.is_set():
                log.error("the worker ended; starting it again", extra=facts(exit_code=code))
                self._stopping.wait(1.0)


def _serve_api(settings: Settings, worker: _WorkerProcess | None, first_key: str | None) -> None:
    from granian.constants import Interfaces  # noqa: PLC0415 - a worker-only process has no use for it
    from granian.log import LogLevels  # noqa: PLC0415
    from granian.server import Server  # noqa: PLC0415

    server: Any = Server(
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
        respawn_failed_workers=True,
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
    die_with_parent()
    return_large_memory()
    from mailsvc.service.roles import make_app  # noqa: PLC0415 - only in the API's process

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
