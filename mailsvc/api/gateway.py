"""The ASGI application, which receives all requests and runs Flask.

It checks the key first, then receives the body in the event loop; only after that does a request get a thread. Short
requests that wait for nothing but a commit are handled in the event loop's own thread, because passing them to another
one would cost more than the work; their commit is awaited without a thread. All others get a thread of a bounded pool.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from flask import Response

from mailsvc import clock
from mailsvc.api.app import REFUSAL, Api
from mailsvc.api.auth import CALLER, presented_key
from mailsvc.api.body import Body, Receive, Uptake
from mailsvc.api.environ import Environ, Scope, Sendable, content_length, environ_of, flaw_of_host, sendable
from mailsvc.api.health import CHECKS
from mailsvc.api.parts import EXTENSION, Services
from mailsvc.api.poll import GATEWAY, POLL, NotYet, Poll
from mailsvc.api.thread_pools import ThreadPools
from mailsvc.domain.errors import Malformed, Unavailable
from mailsvc.store.nonblocking import WouldBlock, forbid_waiting

__all__ = ["Gateway"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_QUICK = {("POST", "/v1/messages"), ("GET", "/healthz"), ("HEAD", "/healthz")}
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KEY_PATIENCE = 5.0  # seconds


class Gateway:
    """The ASGI application.

    Args:
        api: the Flask application.
        threads: how many ordinary requests may be handled at the same time.
        at_stop: called in the event loop when the process must stop, while requests are still handled.
        pace: the lowest speed of bodies; see Uptake.
    """

    def __init__(self, api: Api, *, threads: int, at_stop: Callable[[], None] = lambda: None, **pace: float) -> None:
        self._api, self.at_stop = api, at_stop
        self._services: Services = api.extensions[EXTENSION]
        self._uptake = Uptake(api.config["MAX_CONTENT_LENGTH"], self._services.settings.data_dir, **pace)
        self._pools = ThreadPools(threads)
        self._owns_loop = False  # a host's loop has other work, which no look into the database may hold up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        status, headers, content = await self._answer(scope, receive)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                forbid_waiting()
                self._owns_loop = True
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                self._pools.close()
                return

    async def _answer(self, scope: Scope, receive: Receive) -> Sendable:
        environ = environ_of(scope, None)
        body = environ["wsgi.input"] = Body(content_length(environ), receive, self._uptake)
        try:
            response = await self._handle(scope, body, environ)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - every request gets a response
            refusal = _cut_off() if isinstance(error, asyncio.CancelledError) else error
            response = await self._api.respond(environ_of(scope, body) | {REFUSAL: refusal})
        finally:
            body.drop()
        return sendable(response, environ)

    async def _handle(self, scope: Scope, body: Body, environ: Environ) -> Response:
        method, path = scope["method"], scope["path"]
        if flaw := flaw_of_host(scope):
            raise Malformed(flaw)
        if path == "/readyz":
            return await self._api.respond(environ | {CHECKS: await self._services.readiness.ask()})
        if path.startswith("/v1/"):
            if not await self._has_key(scope, environ):
                return await self._api.respond(environ)
            if method in _WITH_BODY:
                await body.fetch()
        if self._owns_loop and (method, path) in _QUICK and body.is_short():
            try:
                return await self._api.respond(environ)
            except WouldBlock:  # nothing has been done yet
                environ = environ_of(scope, body)
        return await self._in_pool(scope, body, environ)

    async def _has_key(self, scope: Scope, environ: Environ) -> bool:
        """Whether the request has a key. Raises Unauthorized or RateLimited if it is wrong."""
        key = presented_key(environ.get("HTTP_AUTHORIZATION", ""))
        if not key:
            return False
        keyring = self._services.keyring
        try:
            if not self._owns_loop:
                raise WouldBlock
            caller = keyring.find(key, environ["REMOTE_ADDR"])
        except WouldBlock:
            try:
                async with asyncio.timeout(KEY_PATIENCE):
                    caller = await self._pools.keys.run(keyring.find, key, environ["REMOTE_ADDR"])
            except TimeoutError:
                raise Unavailable("the database did not confirm the API key in time", retry_after=2) from None
        environ[CALLER] = clock.monotonic(), caller
        if guest := scope.get("state", {}).get("guest"):
            guest.is_known = True
        return True

    async def _in_pool(self, scope: Scope, body: Body, environ: Environ) -> Response:
        pool = self._pools.choose(scope["path"], is_large=body.is_large())
        while True:
            try:
                return await pool.run(self._api.respond_here, environ | {GATEWAY: True})
            except NotYet as news:
                poll = await self._wait(scope, news)
            environ = environ_of(scope, body) | {POLL: poll}

    async def _wait(self, scope: Scope, news: NotYet) -> Poll:
        guest = scope.get("state", {}).get("guest")
        return await news.wait_in_loop(self._services.feed, guest.is_gone if guest else asyncio.Event())


def _cut_off() -> Unavailable:
    """The refusal of a request that the server cancels, as it does at the end of the drain only."""
    said = "the service stopped before the request was finished; send it again (a POST with the same Idempotency-Key)"
    return Unavailable(said, retry_after=5)
