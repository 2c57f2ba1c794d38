"""The response of an API that can't be made now: its database is away, or a setting can't be used."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from werkzeug import Response

from mailsvc.domain.ids import new_id
from mailsvc.errors import MailsvcError
from mailsvc.telemetry import facts, log

__all__ = ["respond_unready", "unready"]

_RETRY_SECONDS = 5


def unready(error: MailsvcError) -> Response:
    """A problem document (RFC 9457) with the status 503. What is wrong is told to the log only: it names hosts and paths."""
    request_id = new_id("req")
    log.error("the API can't answer", extra=facts(error=str(error), request_id=request_id))
    document = {
        "type": "about:blank",
        "title": "Unavailable",
        "status": 503,
        "detail": "the mail service can't be used now; its log says why",
        "code": "unavailable",
        "request_id": request_id,
    }
    headers = {"Retry-After": str(_RETRY_SECONDS), "X-Request-Id": request_id}
    return Response(json.dumps(document), status=503, headers=headers, content_type="application/problem+json")


async def respond_unready(error: MailsvcError, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
    """As ``unready``, to an ASGI server."""
    response = unready(error)
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.get_data()})
