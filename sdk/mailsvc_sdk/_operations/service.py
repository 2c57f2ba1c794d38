"""The service itself, and operations that this package does not know."""

from collections.abc import Mapping
from typing import Any

from mailsvc_sdk._call import call
from mailsvc_sdk._errors import APIError, TransportError
from mailsvc_sdk._exchange import Operation, Request, Response
from mailsvc_sdk._operations.paths import parameters
from mailsvc_sdk._options import Options
from mailsvc_sdk._sending.draft import canonical

__all__ = ["ready", "request"]


def ready(options: Options) -> Operation[bool]:
    """Return whether the service is ready."""
    try:
        yield from call(options.but(retry=0), Request("GET", "/readyz"))
    except (APIError, TransportError):
        return False
    return True


def request(
    options: Options,
    method: str,
    path: str,
    *,
    json: object = None,
    content: bytes | None = None,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Operation[Response]:
    """Return the response to any request. Raises ValueError for a path without a slash, APIError, TransportError."""
    if not path.startswith("/"):
        raise ValueError("a path begins with a slash")
    given = dict(headers or {})
    if json is not None:
        given, content = {"Content-Type": "application/json", **given}, canonical(json)
    key = next((given.pop(name) for name in list(given) if name.lower() == "idempotency-key"), None)
    return (yield from call(options, Request(method.upper(), path, parameters(**(params or {})), given, content, key)))
