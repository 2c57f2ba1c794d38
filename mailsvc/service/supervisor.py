"""``mailsvc serve``: one command, a few processes in one process group, which start and end together.

The first process only supervises: it imports the program once, and opens only the port. It forks the processes of the
API, the worker and the notifier, which share that memory and start at once. It forks a process again if it died.
"""

import gc
import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from http.client import HTTPConnection
from typing import Any

from mailsvc.errors import MailsvcError
from mailsvc.service.child import DRAIN_SECONDS, Child, die_with_parent, join_all, on_stop
from mailsvc.service.listener import open_listener
from mailsvc.service.tuning import lack_of_files
from mailsvc.settings import BadSetting, Settings
from mailsvc.telemetry import facts, log

__all__ = ["serve"]

CLOSE_SECONDS = 2  # at the end of the API's drain time, for closing the remaining connections


def serve(settings: Settings, roles: tuple[str, ...]) -> int:
    """Run the roles until SIGTERM or SIGINT. Returns the exit code."""
    if lack := lack_of_files():
        raise BadSetting(lack)
    # The port comes first: a failed start must not change anything for the service that uses the port. From now on, and
    # while the API restarts, new connections wait.
    listener = open_listener(settings) if "api" in roles else None
    preparing = _Preparation(settings)
    from mailsvc.service.worker_process import crews, run_worker  # noqa: PLC0415 - loaded while the other process prepares

    if "api" in roles:
        from mailsvc.service import httpserver  # noqa: F401, PLC0415 - not needed without the API
    start = preparing.join()
    gc.collect()
    gc.freeze()  # otherwise a collection in a child would copy every shared page
    children = [Child(name, partial(run_worker, settings, crew)) for name, crew in crews(roles).items()]
    if listener is not None:
        children.append(Child("api", partial(_answer, settings, listener), keep=listener.fileno()))
    _supervise(children, listener, partial(_announce, settings, roles, start))
    return 0


def _supervise(children: list[Child], listener: socket.socket | None, announce: Callable[[], None]) -> None:
    stopping = threading.Event()

    def interrupted() -> None:
        for child in children:
            child.stop()
        stopping.set()

    on_stop(interrupted)
    for child in children:
        child.start()
    threading.Thread(target=announce, daemon=True).start()
    stopping.wait()
    if listener is not None:
        listener.close()
    join_all(children)


def _answer(settings: Settings, listener: socket.socket) -> None:
    from mailsvc.service.api import Api  # noqa: PLC0415 - as above
    from mailsvc.service.httpserver import answer_requests  # noqa: PLC0415 - already loaded by the first process

    answer_requests(Api(settings).gateway, listener, drain_seconds=DRAIN_SECONDS - CLOSE_SECONDS)


class _Preparation:
    """The bootstrap, in a child: its imports are not kept, and this process imports the program meanwhile."""

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
        """Return the members of bootstrap's ``Start``. Raises BadSetting if the start failed."""
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
    except MailsvcError as error:
        said, code = str(error), 1
    except Exception as error:  # noqa: BLE001 - the parent must learn of every error
        log.error("bootstrap failed", exc_info=error)
        said, code = f"The start failed: {error}", 1
    os.write(writer, said.encode())
    return code


def _announce(settings: Settings, roles: tuple[str, ...], start: dict[str, Any]) -> None:
    if "api" not in roles:
        log.info("ready", extra=facts(roles=",".join(roles)))
        _print_key(settings, start)
        return
    url = f"http://{settings.bind}"
    pause = threading.Event()
    while not _is_ready(settings):
        pause.wait(0.05)
    log.info("ready", extra=facts(url=url))
    _print_key(settings, start)
    if start["is_sandbox"]:
        from mailsvc.service.banner import banner  # noqa: PLC0415

        _print(banner(settings, url))


def _print_key(settings: Settings, start: dict[str, Any]) -> None:
    if start["new_key"] is not None:
        from mailsvc.service.banner import key_line  # noqa: PLC0415

        _print(key_line(settings, start["new_key"]))


def _print(text: str) -> None:
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
