"""One POST to an endpoint: the address that was vetted is the one that is dialled, and nothing is followed or trusted."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpcore

from mailsvc import clock
from mailsvc.domain.targets import Forbidden, TargetPolicy, vet

__all__ = ["Answer", "Poster"]

TIMEOUT_SECONDS = 15.0
CONNECT_SECONDS = 5.0
MOST_BODY = 64 * 1024
KEPT_CONNECTIONS = 64
RESOLVERS = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a POST."""

    status: int | None  # None where there was no answer
    body: bytes  # its beginning, for people who look for the fault
    error: str | None  # in words, where there was no answer
    duration: float  # seconds
    retry_after: float | None  # seconds that the endpoint asked us to wait


class Poster:
    """Keeps connections to endpoints.

    Args:
        policy: which addresses may be dialled.
        ca_pem: CAs to trust instead of the system's.
    """

    def __init__(self, policy: TargetPolicy, *, timeout: float = TIMEOUT_SECONDS, ca_pem: str | None = None) -> None:
        self._policy: TargetPolicy = policy
        self._timeout = timeout
        self._ca_pem = ca_pem
        self._made_pool: httpcore.AsyncConnectionPool | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """POST the body; whatever goes wrong is in the answer."""
        began = clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                status, answer, retry_after = await self._exchange(url, body, headers)
        except (TimeoutError, httpcore.TimeoutException):
            return Answer(None, b"", f"no answer within {self._timeout:g} seconds", clock.monotonic() - began, None)
        except Forbidden as error:
            return Answer(None, b"", str(error), clock.monotonic() - began, None)
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            OSError,
            ValueError,
        ) as error:
            return Answer(None, b"", _in_words(error), clock.monotonic() - began, None)
        return Answer(status, answer, None, clock.monotonic() - began, retry_after)

    async def aclose(self) -> None:
        if self._made_pool is not None:
            await self._made_pool.aclose()

    @property
    def _pool(self) -> httpcore.AsyncConnectionPool:
        # Loading the system's CAs costs time and memory: only who posts pays for it.
        if self._made_pool is None:
            context = ssl.create_default_context(cadata=self._ca_pem)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._made_pool = httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=None,  # every endpoint has its own bound; waiting here would let one delay another
                max_keepalive_connections=KEPT_CONNECTIONS,
                keepalive_expiry=30,
                retries=0,
                network_backend=_VettedBackend(self._policy),
            )
        return self._made_pool

    async def _exchange(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, float | None]:
        fields = {
            "host": urlsplit(url).netloc,
            "accept-encoding": "identity",
            "content-length": str(len(body)),
            **headers,
        }
        timeouts = {"connect": CONNECT_SECONDS, "read": self._timeout, "write": self._timeout, "pool": self._timeout}
        request = httpcore.Request(
            "POST",
            url,
            headers=[(k.encode(), v.encode()) for k, v in fields.items()],
            content=body,
            extensions={"timeout": timeouts},
        )
        response = await self._pool.handle_async_request(request)
        try:
            answer = await _beginning(response)
        finally:
            await response.aclose()
        return response.status, answer, _retry_after(response.headers)


async def _beginning(response: httpcore.Response) -> bytes:
    """At most ``MOST_BODY`` bytes; the rest is not read, and its connection is not used again."""
    parts, size = [], 0
    async for part in response.aiter_stream():
        parts.append(part)
        size += len(part)
        if size >= MOST_BODY:
            break
    return b"".join(parts)[:MOST_BODY]


class _VettedBackend(httpcore.AsyncNetworkBackend):
    """Resolves once, vets every answer, dials an address that was vetted: a name can't be rebound in between."""

    def __init__(self, policy: TargetPolicy) -> None:
        self._policy: TargetPolicy = policy
        self._backend = httpcore.AnyIOBackend()
        # Threads of its own: a name server that hangs must not hold up the database's.
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await self._resolve(host, port):
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        raise error

    async def _resolve(self, host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        try:
            look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            found = await asyncio.get_running_loop().run_in_executor(self._resolvers, look_up)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} can't be resolved") from error
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        vet(addresses, self._policy)
        return list(dict.fromkeys(addresses))

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - see connect_tcp
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.UnsupportedProtocol(path)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _in_words(error: Exception) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate can't be verified: {cause.verify_message}"
    if isinstance(error, httpcore.ConnectError):
        return f"can't connect: {error}" if str(error) else "can't connect"
    if isinstance(error, httpcore.ProtocolError):
        return f"not an HTTP answer: {error}"
    return str(error) or type(error).__name__


def _retry_after(headers: list[tuple[bytes, bytes]]) -> float | None:
    for name, value in headers:
        if name.lower() == b"retry-after":
            text = value.decode("ascii", "replace").strip()
            if text.isdigit():
                return min(float(text), 86400.0)
            try:
                return max(0.0, parsedate_to_datetime(text).timestamp() - clock.now() / clock.SECOND)
            except (ValueError, TypeError):
                return None
    return None
