"""One POST of a form to an authorization server: verified TLS, checked addresses, a deadline for the whole of it."""

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpcore

from mailsvc import clock
from mailsvc.domain.connection import failure_in_words
from mailsvc.domain.targets import Forbidden, check_url, vet
from mailsvc.forking import close_in_child
from mailsvc.oauth.errors import TokenUnavailable
from mailsvc.oauth.grant import is_usable_url
from mailsvc.oauth.reach import Reach

__all__ = ["Answer", "Reach", "post_form"]

MOST_BODY = 64 * 1024
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of any status."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


def post_form(url: str, form: str, reach: Reach) -> Answer:
    """Send the form and return the answer; redirects are not followed, since the form has secrets.

    Raises:
        TokenUnavailable: no complete answer came.
    """
    host = urlsplit(url).hostname or url
    try:
        return _post(check_url(url, "any"), form, reach)  # addresses are checked where they are dialled
    except Forbidden as error:
        raise TokenUnavailable(f"{host} may not be reached: {error}") from error
    except (OSError, ValueError) as error:
        words = failure_in_words(error, ports="an authorization server needs https")
        raise TokenUnavailable(f"{host} gave no token: {words}") from error
    except httpcore.ProtocolError as error:
        raise TokenUnavailable(f"{host} does not speak HTTP: {error}") from error


def _post(url: str, form: str, reach: Reach) -> Answer:
    if not is_usable_url(url):
        raise ValueError("secrets are sent by https only")
    headers = {"Content-Type": _FORM, "Accept": "application/json", "User-Agent": "mailsvc"}
    backend = _Backend(reach, clock.monotonic() + reach.seconds)
    with (
        httpcore.ConnectionPool(ssl_context=_tls(reach.ca_pem), network_backend=backend) as pool,
        pool.stream("POST", url, headers=list(headers.items()), content=form.encode()) as response,
    ):
        return Answer(
            response.status,
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers},
            _bounded(response.iter_stream()),
        )


def _bounded(chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MOST_BODY:
            raise ValueError(f"its answer has more than {MOST_BODY} bytes")
    return bytes(body)


@lru_cache(maxsize=64)
def _tls(ca_pem: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_pem is not None:
        # Beside the system's, not instead: a company's own mail server may take Microsoft's tokens.
        context.load_verify_locations(cadata=ca_pem)
    return context


class _Backend(httpcore.NetworkBackend):
    """Connects to checked addresses only. Its streams share one deadline: httpcore's timeouts are for each read."""

    def __init__(self, reach: Reach, deadline: float) -> None:
        self._reach, self._deadline = reach, deadline

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:  # noqa: ARG002
        addresses = [(int(a[0]), a[4]) for a in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        vet((_ip(sockaddr) for _, sockaddr in addresses), self._reach.targets, setting="MAILSVC_RELAY_TARGETS")
        for at, (family, sockaddr) in enumerate(addresses, start=1):
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                # A share for each, so that one that swallows everything leaves time for the others.
                connection.settimeout(_left(self._deadline) / (len(addresses) - at + 1))
                connection.connect(sockaddr)
                return _Stream(connection, self._deadline)
            except OSError:
                connection.close()
                if at == len(addresses):
                    raise
        raise socket.gaierror("it has no address")


class _Stream(httpcore.NetworkStream):
    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = close_in_child(connection), deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - httpcore's signature
        return self._timed().recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._timed().sendall(buffer)

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        try:
            return _Stream(ssl_context.wrap_socket(self._timed(), server_hostname=server_hostname), self._deadline)
        except BaseException:
            self.close()
            raise

    def _timed(self) -> socket.socket:
        self._connection.settimeout(_left(self._deadline))
        return self._connection


def _left(deadline: float) -> float:
    left = deadline - clock.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _ip(sockaddr: tuple[Any, ...]) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(str(sockaddr[0]).partition("%")[0])
