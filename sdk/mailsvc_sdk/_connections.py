"""Connections to the service: one set per process, and for asyncio one per event loop.

Only here is the HTTP client imported, and not before the first request.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mailsvc_sdk import _errors as errors
from mailsvc_sdk._exchange import Exchange, Response
from mailsvc_sdk._options import Timeouts

if TYPE_CHECKING:
    import asyncio
    import ssl

    import httpx2

__all__ = ["AsyncConnections", "Connections", "Network"]

IDLE_SECONDS = 4.0  # the service keeps them at least 10
MOST = 100

# Clients of a parent process: their sockets are the parent's, so that they are neither used nor closed here.
_left_alone: list[object] = []


@dataclass(frozen=True, slots=True)
class Network:
    """How connections are made."""

    verify: "ssl.SSLContext | str | bool"
    use_proxies: bool

    def arguments(self) -> dict[str, Any]:
        """Return the HTTP client's arguments."""
        import httpx2  # noqa: PLC0415 - see above

        limits = httpx2.Limits(max_connections=MOST, max_keepalive_connections=MOST, keepalive_expiry=IDLE_SECONDS)
        return {"verify": self._context(), "trust_env": self.use_proxies, "limits": limits}

    def _context(self) -> "ssl.SSLContext | bool":
        import ssl  # noqa: PLC0415 - only where it is needed: the package is to be imported quickly

        return ssl.create_default_context(cafile=self.verify) if isinstance(self.verify, str) else self.verify


@dataclass(slots=True)
class Connections:
    """Blocking connections; may be used from any number of threads."""

    network: Network
    transport: "httpx2.BaseTransport | None" = None
    _clients: "dict[int, httpx2.Client]" = field(default_factory=dict)
    _closed: bool = False

    def exchange(self, step: Exchange) -> Response | errors.TransportError:
        """Send a request once."""
        client = self._client()
        try:
            with _translated():
                response = client.send(_built(client, step))
        except errors.TransportError as error:
            return error
        return Response(response.status_code, response.headers, response.content)

    def _client(self) -> "httpx2.Client":
        if self._closed:
            raise RuntimeError("the client is closed")
        client = self._clients.get(os.getpid())
        return client or self._connect()

    def _connect(self) -> "httpx2.Client":
        import httpx2  # noqa: PLC0415 - see above

        _left_alone.extend(self._clients.pop(pid) for pid in list(self._clients) if pid != os.getpid())
        made = httpx2.Client(transport=self.transport, **self.network.arguments())
        # No lock: one that another thread held at a fork would stay locked in the child.
        kept = self._clients.setdefault(os.getpid(), made)
        if kept is not made and self.transport is None:
            made.close()
        return kept

    def close(self) -> None:
        """Close the connections of this process."""
        self._closed = True
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()


@dataclass(slots=True)
class AsyncConnections:
    """Connections for asyncio; may be used from several event loops."""

    network: Network
    transport: "httpx2.AsyncBaseTransport | None" = None
    _clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[int, httpx2.AsyncClient]]" = field(
        default_factory=WeakKeyDictionary
    )
    _closed: bool = False

    async def exchange(self, step: Exchange) -> Response | errors.TransportError:
        """Send a request once."""
        client = self._client()
        try:
            with _translated():
                response = await client.send(_built(client, step))
        except errors.TransportError as error:
            return error
        return Response(response.status_code, response.headers, response.content)

    def _client(self) -> "httpx2.AsyncClient":
        if self._closed:
            raise RuntimeError("the client is closed")
        import asyncio  # noqa: PLC0415 - takes long, and only few programs want it

        loop, pid = asyncio.get_running_loop(), os.getpid()
        owner, client = self._clients.get(loop, (None, None))
        if client is None or owner != pid:
            if client is not None:
                _left_alone.append(client)
            client = self._connect()
            self._clients[loop] = pid, client
        return client

    def _connect(self) -> "httpx2.AsyncClient":
        import httpx2  # noqa: PLC0415 - see above

        return httpx2.AsyncClient(transport=self.transport, **self.network.arguments())

    async def aclose(self) -> None:
        """Close the connections of this event loop; those of loops that ended are gone with them."""
        import asyncio  # noqa: PLC0415 - see above

        self._closed = True
        _, client = self._clients.pop(asyncio.get_running_loop(), (None, None))
        if client is not None:
            await client.aclose()


def _built(client: "httpx2.Client | httpx2.AsyncClient", step: Exchange) -> "httpx2.Request":
    request = step.request
    return client.build_request(
        request.method,
        step.url,
        params=list(request.params) or None,
        headers=dict(step.headers),
        content=request.content,
        timeout=_timeout(step.timeouts),
    )


def _timeout(times: Timeouts) -> "httpx2.Timeout":
    import httpx2  # noqa: PLC0415 - see above

    return httpx2.Timeout(connect=times.connect, read=times.read, write=times.write, pool=times.pool)


@contextmanager
def _translated() -> Iterator[None]:
    import httpx2  # noqa: PLC0415 - see above

    unsent = httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError
    try:
        yield
    except httpx2.TransportError as error:
        kind = errors.Timeout if isinstance(error, httpx2.TimeoutException) else errors.ConnectionError
        words = str(error) or type(error).__name__
        raise kind(f"no response from mailsvc: {words}", sent=not isinstance(error, unsent)) from error
    except httpx2.RequestError as error:  # a response that can't be decoded
        raise errors.ConnectionError(f"no readable response from mailsvc: {error}") from error
