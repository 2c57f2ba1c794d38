"""``mailsvc serve``: one command, a few processes of one process group that live and end together.

The first process only supervises: it is granian's own, forks the API's process, the worker's and the notifier's, and
forks one again that died. It loads the program once, and opens nothing: its children share that memory, and start at once.
"""

import asyncio
import gc
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from http.client import HTTPConnection
from typing import Any

from mailsvc.service.offspring import (
    DRAIN_SECONDS,
    WorkerProcess,
    collect_seldom,
    die_with_parent,
    join_all,
    name_process,
    on_stop,
    return_large_memory,
)
from mailsvc.settings import BadSetting, Settings
from mailsvc.telemetry import facts, log

__all__ = ["serve"]


def serve(settings: Settings, roles: tuple[str, ...]) -> int:
    """Run the roles until SIGTERM or SIGINT. Returns the exit code."""
    preparing = _Preparation(settings)
    from mailsvc.service.roles import crews, run_worker  # noqa: PLC0415 - loaded while the other process prepares

    start = preparing.join()
    work = tuple(role for role in roles if role != "api")
    address = _free_address(settings) if "api" in roles else ""
    gc.collect()
    gc.freeze()  # collecting in a child would copy every page that it shares
    workers = [WorkerProcess(name, partial(run_worker, settings, crew)) for name, crew in crews(work).items()]
    if "api" in roles:
        _serve_api(settings, address, workers, start)
    else:
        _only_work(workers, settings, work, start)
    return 0


class _Preparation:
    """The bootstrap, in a child: what it loads is not kept, and this process loads the program meanwhile."""

    def __init__(self, settings: Settings) -> None:
        reader, writer = os.pipe()
        parent, self._child = os.getpid(), os.fork()
        if self._child == 0:
            die_with_parent(parent)
            os.close(reader)
            os._exit(_bootstrap_child(settings, writer))
        os.close(writer)
        self._reader = reader

    def join(self) -> dict[str, Any]:
        """The members of bootstrap's ``Start``. Raises BadSetting where the start failed."""
        with os.fdopen(self._reader, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(self._child, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise BadSetting(said or "The start failed before it could say why.")
        start: dict[str, Any] = json.loads(said)
        return start


def _bootstrap_child(settings: Settings, writer: int) -> int:
    try:
        from mailsvc.service.bootstrap import bootstrap  # noqa: PLC0415 - see above

        said, code = json.dumps(asdict(bootstrap(settings))), 0
    except BadSetting as error:
        said, code = str(error), 1
    except Exception as error:  # noqa: BLE001 - the parent must be told, whatever it is
        log.error("bootstrap failed", exc_info=error)
        said, code = f"The start failed: {error}", 1
    os.write(writer, said.encode())
    return code


def _free_address(settings: Settings) -> str:
    """The address that MAILSVC_BIND means, where nobody listens yet.

    Granian shares ports (SO_REUSEPORT); two services on one port would split the requests between them.
    """
    try:
        return _bound_once(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadSetting(f"MAILSVC_BIND {settings.bind} can't be used: {reason}.") from error


def _bound_once(host: str, port: int) -> str:
    import socket  # noqa: PLC0415

    failure = OSError(f"{host} has no address")
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                failure = error
            else:
                return str(address[0])
    raise failure


def _only_work(workers: list[WorkerProcess], settings: Settings, roles: tuple[str, ...], start: dict[str, Any]) -> None:
    stopping = threading.Event()

    def interrupted() -> None:
        for worker in workers:
            worker.stop()
        stopping.set()

    on_stop(interrupted)
    for worker in workers:
        worker.start()
    log.info("ready", extra=facts(roles=",".join(roles)))
    _tell_key(settings, start)
    stopping.wait()
    join_all(workers)


def _serve_api(settings: Settings, address: str, workers: list[WorkerProcess], start: dict[str, Any]) -> None:
    from granian.constants import Interfaces, Loops, RuntimeModes  # noqa: PLC0415 - processes without the API have no use for it
    from granian.log import LogLevels  # noqa: PLC0415

    from mailsvc.service.apiserver import ApiServer  # noqa: PLC0415

    server: Any = ApiServer(
        "mailsvc",
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.asyncio,
        backpressure=256,
        backlog=2048,
        websockets=False,
        log_level=LogLevels.error,
        workers_kill_timeout=DRAIN_SECONDS,
    )

    def interrupted() -> None:
        if server.interrupt_signal:
            for child in server.wrks:
                child.kill()
        for worker in workers:
            worker.stop()
        server.signal_handler_interrupt()

    def started() -> None:
        on_stop(interrupted)
        threading.Thread(target=after_fork, daemon=True).start()

    def after_fork() -> None:
        # Granian forks next. A thread that holds a lock at that moment (an import's, say) would leave it locked in the
        # child for ever, so this one does nothing but wait until the fork has happened.
        while not (server.wrks and server.wrks[0].inner.pid):
            forked.wait(0.01)
        for worker in workers:
            worker.start()
        _announce_ready(settings, start)

    forked = threading.Event()  # never set: only a way to rest
    server.on_startup(started)
    server.on_shutdown(partial(join_all, workers))
    server.serve(target_loader=partial(_load_app, settings), wrap_loader=False)


def _load_app(settings: Settings) -> Any:
    die_with_parent(os.getppid())
    name_process("mailsvc-api")
    return_large_memory()
    collect_seldom()
    from mailsvc.service.roles import make_app  # noqa: PLC0415 - the first process has loaded it

    gateway = make_app(settings)
    _stop_once(asyncio.get_event_loop(), gateway.at_stop)
    return gateway


def _stop_once(loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
    """Tell of the first signal to stop, and let granian hear of no other: the second would stand still in its handler.

    There may well be two: the kernel sends one as each thread of a killed parent ends.
    """
    add, told = loop.add_signal_handler, threading.Event()

    def add_for_once(number: int, handler: Callable[..., object], *arguments: Any) -> None:
        def first() -> None:
            if not told.is_set():
                told.set()
                tell()
                handler(*arguments)

        add(number, first)

    loop.add_signal_handler = add_for_once  # type: ignore[method-assign, assignment]


def _announce_ready(settings: Settings, start: dict[str, Any]) -> None:
    url = f"http://{settings.bind}"
    pause = threading.Event()
    while not _is_ready(settings):
        pause.wait(0.05)
    log.info("ready", extra=facts(url=url))
    _tell_key(settings, start)
    if start["is_sandbox"]:
        from mailsvc.service.banner import banner  # noqa: PLC0415

        _tell(banner(settings, url))


def _tell_key(settings: Settings, start: dict[str, Any]) -> None:
    if start["new_key"] is not None:
        from mailsvc.service.banner import key_line  # noqa: PLC0415

        _tell(key_line(settings, start["new_key"]))


def _tell(text: str) -> None:
    sys.stderr.write(text)
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
