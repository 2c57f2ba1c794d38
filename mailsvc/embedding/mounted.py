"""The HTTP API as a WSGI and an ASGI application, to be mounted below any path of the host's."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Protocol

from mailsvc import forking
from mailsvc.api.poll import LONGEST_WAIT
from mailsvc.embedding.unready import respond_unready, unready
from mailsvc.errors import MailsvcError
from mailsvc.service.api import Api
from mailsvc.service.bootstrap import bootstrap
from mailsvc.settings import Settings
from mailsvc.telemetry import Meter

__all__ = ["Mounted"]

WSGI_WAIT = 5  # seconds that a request for events may hold one of the host's workers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Startable(Protocol):
    @property
    def is_running(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> bool: ...


class Mounted:
    """Makes the API when the first request of a process comes, with its tables and its first key.

    Args:
        service: started and stopped by the lifespan of an ASGI host, unless it runs already.
    """

    def __init__(self, settings: Settings, service: _Startable) -> None:
        self._settings, self._service = settings, service
        self._making = threading.Lock()
        self._made: Api | None = None
        self.meter = Meter()
        forking.forget_in_child(self)

    def api(self) -> Api:
        """The API of this process. Raises as ``Service.start``."""
        with self._making:
            if self._made is None:
                forking.watch_forks()
                bootstrap(self._settings)
                self._made = Api(self._settings, self.meter)
            return self._made

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI application (PEP 3333)."""
        environ[LONGEST_WAIT] = WSGI_WAIT
        try:
            application = self.api().flask.wsgi_app
        except MailsvcError as error:
            application = unready(error)
        response: Iterable[bytes] = application(environ, start_response)
        return response

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI 3 application; knows no WebSockets."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            api = self._made
            try:
                if api is None:
                    api = await asyncio.to_thread(self.api)
            except MailsvcError as error:
                await respond_unready(error, send)
                return
            await api.gateway(_below_root(scope), receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        has_started = False
        while True:
            kind = (await receive())["type"]
            try:
                if kind == "lifespan.startup" and not self._service.is_running:
                    await asyncio.to_thread(self._service.start)
                    has_started = True
                elif kind == "lifespan.shutdown" and has_started:
                    await asyncio.to_thread(self._service.stop)
            except Exception as error:  # noqa: BLE001 - the server must be told, and ends
                await send({"type": f"{kind}.failed", "message": str(error)})
                return
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    def close(self) -> None:
        """Store what was accepted, and let go of everything; a later request makes it anew."""
        with self._making:
            made, self._made = self._made, None
        if made is not None:
            made.gateway.at_stop()
            made.close()

    def forked(self) -> None:
        """Called in a forked child, which makes an API of its own."""
        self._making = threading.Lock()
        self._made = None


def _below_root(scope: Scope) -> Scope:
    """The scope with the path below the place where the application is mounted."""
    root = scope.get("root_path", "").rstrip("/")
    if not root:
        return scope
    changed = dict(scope)
    if scope["path"].startswith(f"{root}/") or scope["path"] == root:
        changed["path"] = scope["path"][len(root) :] or "/"
    with suppress(KeyError):
        raw, root_bytes = scope["raw_path"], root.encode()
        if raw.startswith(root_bytes + b"/") or raw == root_bytes:
            changed["raw_path"] = raw[len(root_bytes) :] or b"/"
    return changed
