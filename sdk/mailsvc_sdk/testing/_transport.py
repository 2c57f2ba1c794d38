"""The fake as a transport of the HTTP client."""

from typing import TYPE_CHECKING, Any

import httpx2

from mailsvc_sdk import _errors as errors
from mailsvc_sdk._exchange import Request, Response

if TYPE_CHECKING:
    from mailsvc_sdk.testing._fake import FakeMail

__all__ = ["AsyncFakeTransport", "FakeTransport"]


class FakeTransport(httpx2.BaseTransport):
    """Answers requests with what a FakeMail says."""

    def __init__(self, fake: "FakeMail") -> None:
        self._fake = fake

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        return _sent(request, self._fake.respond(_received(request, request.read())))


class AsyncFakeTransport(httpx2.AsyncBaseTransport):
    """Answers requests with what a FakeMail says."""

    def __init__(self, fake: "FakeMail") -> None:
        self._fake = fake

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        return _sent(request, self._fake.respond(_received(request, await request.aread())))


def _received(request: httpx2.Request, content: bytes) -> Request:
    headers: dict[str, Any] = {"Content-Type": request.headers.get("Content-Type", "")}
    return Request(
        request.method,
        request.url.raw_path.decode().partition("?")[0],
        tuple(request.url.params.multi_items()),
        headers,
        content,
        request.headers.get("Idempotency-Key"),
        float(request.url.params.get("wait", 0)),
    )


def _sent(request: httpx2.Request, answer: Response | errors.TransportError) -> httpx2.Response:
    if isinstance(answer, errors.Timeout):
        raise httpx2.ReadTimeout(str(answer), request=request)
    if isinstance(answer, errors.TransportError):
        kind = httpx2.ReadError if answer.sent else httpx2.ConnectError
        raise kind(str(answer), request=request)
    return httpx2.Response(answer.status, headers=dict(answer.headers), content=answer.content, request=request)
