"""Where requests come in: the ASGI application that runs Flask.

Short requests that wait for nothing but a commit are answered in the event loop's own thread, since handing them to another
and back would cost more than the work; the commit is awaited without a thread. All others get a thread of a pool. Bodies are
taken from their clients by the event loop, when somebody asks for them and never beyond the limit.
"""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Response
from werkzeug.exceptions import ClientDisconnected, RequestTimeout

from mailsvc.api.app import Api
from mailsvc.domain.errors import TooLarge, Unavailable
from mailsvc.store.waiting import WouldBlock, forbid_waiting

__all__ = ["STALL_SECONDS", "Gateway"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Environ = dict[str, Any]
Sendable = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body

STALL_SECONDS = 30.0
QUICK_BODY = 64 * 1024
_QUICK = {("POST", "/v1/messages"), ("GET", "/healthz")}
_PATIENCE = 1.0  # seconds
_SAME_FOR_ALL = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


class Gateway:
    """An ASGI application.

    Args:
        api: what answers.
        threads: how many requests may wait for something at the same time.
        stall: seconds without a byte of a body that is due, until its client is given up.
        at_stop: called in the event loop when the process is told to stop, while requests are still answered.
    """

    def __init__(
        self, api: Api, *, threads: int, stall: float = STALL_SECONDS, at_stop: Callable[[], None] = lambda: None
    ) -> None:
        self._api, self.stall, self.at_stop = api, stall, at_stop
        self.limit: int = api.config["MAX_CONTENT_LENGTH"]
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        # The others go on answering while clients are slow to send their bodies.
        self.readers = threading.BoundedSemaphore(max(1, threads * 3 // 4))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = Body(_content_length(scope["headers"]), receive, self)
        environ = _environ(scope, body)
        status, headers, content = await self._answer(scope, body, environ)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                forbid_waiting()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                self._pool.shutdown(wait=False, cancel_futures=True)
                return

    async def _answer(self, scope: Scope, body: "Body", environ: Environ) -> Sendable:
        if (scope["method"], scope["path"]) in _QUICK and body.is_short():
            try:
                await body.fetch()
                return _sendable(await self._api.respond(environ), environ)
            except WouldBlock:  # nothing has happened yet
                environ = _environ(scope, body)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer_in_thread, environ)

    def _answer_in_thread(self, environ: Environ) -> Sendable:
        return _sendable(self._api.respond_here(environ), environ)


class Body:
    """What a client sends after the head of its request. For Flask it is ``wsgi.input``, which is read as a whole."""

    def __init__(self, length: int | None, receive: Receive, gateway: Gateway) -> None:
        self._length, self._receive, self._gateway = length, receive, gateway
        self._loop = asyncio.get_running_loop()
        self._data: bytes | None = None
        self._flaw: Exception | None = None

    def is_short(self) -> bool:
        """Whether it is known to be so small that anybody's may be taken."""
        return self._length is not None and self._length <= QUICK_BODY

    async def fetch(self) -> None:
        """Take it from the client; ``read`` will tell what went wrong, if anything did."""
        try:
            self._data = await self._take()
        except Exception as flaw:  # noqa: BLE001 - it is told to whoever reads
            self._flaw = flaw

    def read(self, _size: int = -1) -> bytes:
        """All of it; called in the event loop only when it is there.

        Raises:
            TooLarge: it goes beyond the limit.
            Unavailable: too many others have not finished sending theirs.
            RequestTimeout, ClientDisconnected: it did not come.
        """
        if self._data is None and self._flaw is None:
            if not self._gateway.readers.acquire(timeout=_PATIENCE):
                raise Unavailable("too many requests are still sending their bodies; nothing was stored", retry_after=1)
            try:
                asyncio.run_coroutine_threadsafe(self.fetch(), self._loop).result()
            finally:
                self._gateway.readers.release()
        if self._data is None:
            raise self._flaw or AssertionError
        data = self._data
        if not self.is_short():
            self._data = b""  # it may be 35 MiB, and nobody asks again
        return data

    async def _take(self) -> bytes:
        parts: list[bytes] = []
        size, more = 0, self._length != 0
        while more:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected("the body ended too early")
            parts.append(message["body"])
            size += len(parts[-1])
            more = message["more_body"] and size != self._length
            if size > self._gateway.limit:
                raise TooLarge.request(self._gateway.limit)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _next(self) -> MutableMapping[str, Any]:
        try:
            async with asyncio.timeout(self._gateway.stall):
                return await self._receive()
        except TimeoutError:
            raise RequestTimeout(f"nothing came of the body for {self._gateway.stall:g} seconds") from None


def _content_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """None where only the end of the body will tell."""
    named = dict(headers)
    if b"transfer-encoding" in named:
        return None
    text = named.get(b"content-length", b"0")
    return int(text) if text.isdigit() else None


def _environ(scope: Scope, body: Body) -> Environ:
    """The request in the words of PEP 3333, where a text is bytes in disguise (Latin-1)."""
    server, client = scope["server"], scope["client"]
    environ: Environ = {
        **_SAME_FOR_ALL,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
    }
    for name, value in scope["headers"]:
        variable, text = _variable(name), value.decode("latin-1")
        environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    return environ


@lru_cache(256)
def _variable(header: bytes) -> str:
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def _sendable(response: Response, environ: Environ) -> Sendable:
    # Copying the headers mends redirects and answers without a body; it takes longer than all else here.
    headers = response.headers if response.status_code < HTTPStatus.NO_CONTENT else response.get_wsgi_headers(environ)
    named = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if response.status_code == RequestTimeout.code:
        named.append((b"connection", b"close"))  # the rest of its body may still come
    return response.status_code, named, b"".join(response.get_app_iter(environ))
