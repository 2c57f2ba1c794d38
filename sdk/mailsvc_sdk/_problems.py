"""Turns a response that is no success into an error (RFC 9457)."""

import json
import time
from collections.abc import Mapping
from typing import Any

from mailsvc_sdk import _errors as errors
from mailsvc_sdk._exchange import Request, Response

__all__ = ["error_class", "error_of", "field_errors"]

_CLASSES: dict[int, type[errors.APIError]] = {
    400: errors.BadRequest,
    401: errors.AuthenticationError,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.CursorExpired,
    413: errors.PayloadTooLarge,
    422: errors.ValidationError,
    429: errors.RateLimited,
    503: errors.ServiceUnavailable,
}


def error_class(status: int) -> type[errors.APIError]:
    """Return the class of the errors with this status."""
    return _CLASSES.get(status, errors.ServerError if status >= 500 else errors.APIError)


def error_of(request: Request, response: Response) -> errors.APIError:
    """Return the error that a response stands for."""
    problem = _document(response)
    return error_class(response.status)(
        status=response.status,
        code=_text(problem, "code") or f"http_{response.status}",
        title=_text(problem, "title"),
        detail=_text(problem, "detail") if problem else _start(response.content),
        request_id=response.headers.get("X-Request-Id") or _text(problem, "request_id") or None,
        retry_after=_seconds(response.headers.get("Retry-After")),
        idempotency_key=request.idempotency_key,
        method=request.method,
        path=request.path,
        body=problem,
        errors=field_errors(problem),
    )


def field_errors(problem: Mapping[str, Any]) -> tuple[errors.FieldError, ...]:
    """Return the members of a problem's ``errors``."""
    listed = problem.get("errors")
    entries = listed if isinstance(listed, list) else []
    return tuple(
        errors.FieldError(_text(entry, "field"), _text(entry, "detail")) for entry in entries if isinstance(entry, dict)
    )


def _document(response: Response) -> dict[str, Any]:
    # Anything may stand between the client and mailsvc, and answer in its place.
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) and "code" in document else {}


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _start(content: bytes) -> str:
    return content[:800].decode(errors="replace")[:200]


def _seconds(header: str | None) -> float | None:
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - only where it is needed: the package is to be imported quickly

    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
