"""POSTs to endpoints: connections are kept, one timeout covers everything, redirects are not followed."""

import asyncio
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import urlsplit

import h11

from mailsvc import clock
from mailsvc.domain.fieldtext import printable
from mailsvc.domain.signing import sign
from mailsvc.domain.targets import Forbidden, TargetPolicy
from mailsvc.webhooks.dial import Dialler
from mailsvc.webhooks.exchange import Exchange, Headers, NoAnswer, Response

__all__ = ["Answer", "Poster", "no_answer", "signed_headers"]

TIMEOUT_SECONDS = 15.0
KEPT_CONNECTIONS = 64
IDLE_SECONDS = 30.0


_Key = tuple[bool, str, int, str | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a POST."""

    status: int | None  # None if there was no response
    body: bytes  # its beginning, to help find the error
    error: str | None  # if there was no response, or the status needs an explanation
    duration: float  # seconds
    retry_after: float | None  # seconds, as the endpoint requested

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took the event: any 2xx, and nothing else."""
        return self.status is not None and 200 <= self.status < 300


def no_answer(error: str) -> Answer:
    """The result where nothing could be posted."""
    return Answer(status=None, body=b"", error=error, duration=0.0, retry_after=None)


def signed_headers(secrets: list[str], event_id: str, now: int, body: bytes) -> dict[str, str]:
    """The header fields of a POST, signed as Standard Webhooks asks."""
    timestamp = now // clock.SECOND
    return {
        "content-type": "application/json",
        "user-agent": "mailsvc",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, event_id, timestamp, body),
    }


@dataclass(frozen=True, slots=True)
class _Target:
    """The parts of a URL."""

    tls: bool
    host: str
    port: int
    authority: bytes
    path: str
    ca_pem: str | None

    @property
    def key(self) -> _Key:
        """Equal for targets that can share a connection."""
        return self.tls, self.host, self.port, self.ca_pem


class Poster:
    """Keeps connections to endpoints.

    Args:
        policy: which addresses may be dialled.
        timeout: seconds until the answer must be there.
        idle: seconds after which a connection that is not used is closed.
        ca_pem: CAs to trust instead of the system's, where a post names none of its own.
    """

    def __init__(
        self,
        policy: TargetPolicy,
        *,
        timeout: float = TIMEOUT_SECONDS,
        idle: float = IDLE_SECONDS,
        ca_pem: str | None = None,
    ) -> None:
        self.policy: TargetPolicy = policy
        self._dialler, self._ca_pem = Dialler(policy), ca_pem
        self._timeout, self._idle_seconds = timeout, idle
        self._idle: dict[_Key, list[Exchange]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str], *, ca_pem: str | None = None) -> Answer:
        """POST the body; errors are in the result."""
        began = clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._exchange(_target(url, ca_pem or self._ca_pem), body, headers)
        except TimeoutError:
            return _without_answer(f"no answer within {self._timeout:g} seconds", began)
        except (Forbidden, ValueError) as error:
            return _without_answer(str(error), began)
        except NoAnswer:
            return _without_answer("the connection was closed without an answer", began)
        except h11.ProtocolError as error:
            return _without_answer(f"not an HTTP answer: {error}", began)
        except OSError as error:
            return _without_answer(_in_words(error), began)
        unfollowed = _unfollowed(response.headers) if 300 <= response.status < 400 else None
        return Answer(
            response.status, response.body, unfollowed, clock.monotonic() - began, _retry_after(response.headers)
        )

    async def aclose(self) -> None:
        """Close kept connections."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for exchanges in self._idle.values():
            for exchange in exchanges:
                exchange.abort()
        self._idle.clear()
        self._dialler.close()

    async def _exchange(self, target: _Target, body: bytes, headers: dict[str, str]) -> Response:
        fields = _fields(target, body, headers)
        while True:
            exchange = self._kept_one(target) or Exchange(
                await self._dialler.dial(target.host, target.port, tls=target.tls, ca_pem=target.ca_pem)
            )
            is_fresh = not exchange.was_used
            try:
                response = await exchange.post(target.path, fields, body)
            except NoAnswer:
                exchange.abort()
                if is_fresh:
                    raise
                # It was closed while idle, which says nothing about the endpoint.
            except BaseException:
                exchange.abort()
                raise
            else:
                self._keep(target, exchange)
                return response

    def _kept_one(self, target: _Target) -> Exchange | None:
        idle = self._idle.get(target.key, [])
        while idle:
            exchange = idle.pop()
            if self._is_good(exchange):
                return exchange
            exchange.abort()
        return None

    def _keep(self, target: _Target, exchange: Exchange) -> None:
        if not exchange.is_reusable:
            return
        if sum(map(len, self._idle.values())) >= KEPT_CONNECTIONS:
            exchange.abort()
            return
        self._idle.setdefault(target.key, []).append(exchange)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(self._idle_seconds, self._sweep)

    def _is_good(self, exchange: Exchange) -> bool:
        return exchange.is_reusable and clock.monotonic() - exchange.idle_since < self._idle_seconds

    def _sweep(self) -> None:
        """Close connections that were unused for too long."""
        self._sweeping = None
        kept, self._idle = self._idle, {}
        for key, exchanges in kept.items():
            for exchange in exchanges:
                if self._is_good(exchange):
                    self._idle.setdefault(key, []).append(exchange)
                else:
                    exchange.abort()
        if self._idle:
            self._sweeping = asyncio.get_running_loop().call_later(self._idle_seconds, self._sweep)


@lru_cache(maxsize=1024)
def _target(url: str, ca_pem: str | None) -> _Target:
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return _Target(tls, parts.hostname or "", parts.port or (443 if tls else 80), parts.netloc.encode(), path, ca_pem)


def _fields(target: _Target, body: bytes, headers: dict[str, str]) -> Headers:
    return [
        (b"host", target.authority),
        (b"accept-encoding", b"identity"),
        (b"content-length", b"%d" % len(body)),
        *((name.encode(), value.encode()) for name, value in headers.items()),
    ]


def _without_answer(error: str, began: float) -> Answer:
    return Answer(None, b"", error, clock.monotonic() - began, None)


def _in_words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate can't be verified: {error.verify_message}"
    return str(error) or type(error).__name__


def _unfollowed(headers: Headers) -> str:
    leads_to = next((value for name, value in headers if name == b"location"), b"").decode("ascii", "replace")
    return f"redirects are not followed; set url to where this one leads: {printable(leads_to[:300])!r}"


def _retry_after(headers: Headers) -> float | None:
    for name, value in headers:
        if name == b"retry-after":
            text = value.decode("ascii", "replace").strip()
            if text.isdigit():
                return min(float(text), 86400.0)
            try:
                return max(0.0, parsedate_to_datetime(text).timestamp() - clock.now() / clock.SECOND)
            except Exception:  # noqa: BLE001 - whatever the error, the response itself has come
                return None
    return None
