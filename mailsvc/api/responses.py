"""The descriptions of the API's responses: results, problems and header fields."""

from typing import Any

from mailsvc.api.routes import Route
from mailsvc.api.schemas import ProblemDocument, reference

__all__ = ["PROBLEMS", "headers", "problem", "responses"]

_GOOD = {
    200: "Success.",
    201: "Created.",
    202: "Accepted and stored durably.",
    204: "Deleted.",
    503: "Not ready.",
}
PROBLEMS = {
    400: "The request is malformed: invalid JSON, a duplicate name, or wrong syntax.",
    401: "The API key is missing, unknown, revoked or expired.",
    403: "The key lacks the scope (`insufficient_scope`), or is not allowed from this network (`network_not_allowed`).",
    404: "The app has no such object.",
    408: "The request body did not arrive in time.",
    409: "The object's state does not allow it, or the first request with this `Idempotency-Key` is still running.",
    410: "The event of `after` is no longer kept (`cursor_expired`); `oldest` is the id of the first event that is.",
    413: "The request exceeds a size limit; `detail` names the limit and its setting.",
    415: "The content type is not supported here, or the body has a Content-Encoding.",
    422: "The values are invalid; `errors` names each field.",
    429: "Too many wrong keys from this address, or more messages than `MAILSVC_RATE_PER_KEY` allows.",
    500: "An internal error; the service's log contains the `request_id`.",
    503: "The request can't be carried out now: database unreachable, disk nearly full, queue full, or too many requests. "
    "Unless `detail` says otherwise, nothing was stored.",
}
_RETRY_AFTER = frozenset({409, 429, 503})


def responses(route: Route, schema_of: dict[int, Any]) -> dict[str, Any]:
    kinds = {
        route.operation.status: route.operation.answer,
        **route.operation.also_answers,
    }
    names = ("X-Request-Id", "Idempotent-Replayed") if route.operation.is_idempotent else ("X-Request-Id",)
    answers: dict[str, Any] = {}
    for status, kind in kinds.items():
        answers[str(status)] = {
            "description": _GOOD[status],
            "headers": _named_headers(*names),
        }
        if status != 204:
            schema = {"type": "string"} if kind is None else schema_of[id(kind)]
            answers[str(status)]["content"] = {route.operation.media: {"schema": schema}}
    for status in _problems_of(route):
        answers[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return answers


def _problems_of(route: Route) -> list[int]:
    if route.scope is None:
        return list(route.operation.problems)
    statuses = {401, 403, 422, 429, 500, 503}
    statuses.update(route.operation.problems)
    if route.parameters:
        statuses.add(404)
    if route.method != "get":
        statuses |= {400, 408, 409, 413, 415}
    return sorted(statuses)


def problem(status: int) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if status in _RETRY_AFTER:
        names.append("Retry-After")
    if status == 401:
        names.append("WWW-Authenticate")
    content = {"application/problem+json": {"schema": reference(ProblemDocument.__name__)}}
    return {
        "description": PROBLEMS[status],
        "headers": _named_headers(*names),
        "content": content,
    }


def headers() -> dict[str, Any]:
    texts = {
        "X-Request-Id": "The request's id, as in the service's log.",
        "Retry-After": "Seconds to wait before the next try.",
        "WWW-Authenticate": "The authentication scheme.",
        "Idempotent-Replayed": "`true` if this is a repetition of the first response.",
    }
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}


def _named_headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
