"""Returns every error as RFC 9457 ``application/problem+json``, with a stable code and the request's id."""

import json
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from mailsvc.domain.errors import Problem, TooLarge, Unavailable
from mailsvc.store.database import explain, is_away, is_in_doubt
from mailsvc.store.vault import VaultError
from mailsvc.telemetry import facts, log

__all__ = ["field_below", "install", "problem_document"]

_CODES = {
    400: ("invalid_request", "Invalid request"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    408: ("invalid_request", "Request timeout"),
    413: ("payload_too_large", "Payload too large"),
    415: ("unsupported_media_type", "Unsupported media type"),
}


MOST_ERRORS = 100
LONGEST_DETAIL = 2000


def problem_document(problem: Problem, *, prefix: str = "", most: int = MOST_ERRORS) -> dict[str, Any]:
    """Return the members of a problem; ``prefix`` is put before its fields (an entry of a batch).

    At most ``most`` fields are named, because a request of a few megabytes can hold a million errors.
    """
    errors = problem.errors
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": _detail(problem, most),
        "code": problem.code,
        "request_id": g.get("request_id", ""),
        **problem.members,
    }
    if errors:
        document["errors"] = [{"field": field_below(prefix, e.field), "detail": e.detail} for e in errors[:most]]
    return document


def field_below(prefix: str, field: str) -> str:
    """The field's name below an entry of a batch; the entry's own name if the whole entry is wrong."""
    return prefix.rstrip(".") if prefix and field in ("", "body") else prefix + field


def _detail(problem: Problem, most: int) -> str:
    if len(problem.errors) > most:
        return f"{len(problem.errors)} fields are invalid; the first {most} are listed"
    return problem.detail if len(problem.detail) <= LONGEST_DETAIL else problem.detail[:LONGEST_DETAIL] + "…"


def install(app: Flask) -> None:
    """Return a problem document for every failure of a view."""
    app.register_error_handler(Problem, _of_problem)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_anything)


def _answer(document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(document, ensure_ascii=True)
    return Response(
        body,
        status=document["status"],
        headers=headers,
        content_type="application/problem+json",
    )


def _of_problem(problem: Problem) -> Response:
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="mailsvc"'
    return _answer(problem_document(problem), headers)


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    code, title = _CODES.get(status, ("invalid_request" if status < 500 else "internal", error.name))
    detail = error.description or title
    if isinstance(error, RequestEntityTooLarge):
        detail = TooLarge.request(request.max_content_length or 0).detail
    elif status == 404:
        detail = f"no such path: {request.path}"
    headers = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        detail = f"this path does not support {request.method}"
    document = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": g.get("request_id", ""),
    }
    return _answer(document, headers)


def _of_anything(error: Exception) -> Response:
    if isinstance(error, SQLAlchemyError | OSError) and is_away(error):
        log.warning("the database can't be reached", extra=facts(error=explain(error), path=request.path))
        said = "the database can't be reached now; nothing was changed"
        if is_in_doubt(error):
            said = "the database connection was lost during the commit, so the request may have been stored: check before you repeat it"
        return _of_problem(Unavailable(said, retry_after=2))
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        log.error("out of memory", extra=facts(path=request.path))
        return _of_problem(Unavailable("not enough memory for this request now", retry_after=5))
    if isinstance(error, VaultError):
        log.error("a stored secret can't be read", extra=facts(error=str(error)))
        return _of_problem(Unavailable(str(error), retry_after=60))
    log.error(
        "a request failed",
        exc_info=error,
        extra=facts(request_id=g.get("request_id"), path=request.path),
    )
    return _of_problem(Problem("internal error; the service's log contains this request_id"))
