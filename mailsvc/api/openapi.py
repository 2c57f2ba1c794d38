"""The OpenAPI 3.1 document, made from the running code: routes, each view's ``Operation``, scopes and types.

A view without an entry in its module's ``OPERATIONS`` is an error, so that nothing can be forgotten.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from mailsvc.api.operation import Operation
from mailsvc.api.schemas import ProblemDocument, components, reference
from mailsvc.api.submit import KEY_LENGTH
from mailsvc.domain.draft import Limits

__all__ = ["Route", "describe", "routes", "to_yaml"]

_CONVERTER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_VERBS = ("post", "get", "patch", "delete")
_UNLISTED = frozenset({"HEAD", "OPTIONS"})

_TAGS = {
    "messages": "Submit messages, read their status, and change those that are not sent yet.",
    "events": "The ordered feed of everything that happened. It contains the same events that webhooks receive.",
    "webhooks": "Your endpoints for events. Each event is posted as JSON, signed according to "
    "[Standard Webhooks](https://www.standardwebhooks.com/), and retried for about three days until the endpoint returns 2xx.",
    "relays": "The mail accounts (SMTP submission) that messages are sent through.",
    "suppressions": "The addresses that receive no mail. Hard bounces add addresses automatically.",
    "keys": "API keys, with scopes, client networks and expiry.",
    "health": "Checks for load balancers and supervisors. No key is needed.",
    "metrics": "Metrics for Prometheus. No key is needed.",
    "docs": "This reference, for people and for programs. No key is needed.",
}

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    "wait": {"type": "integer", "minimum": 0, "maximum": 30, "default": 0},
    "atomic": {"type": "boolean", "default": False},
    "since": {"type": "string", "format": "date-time"},
    "until": {"type": "string", "format": "date-time"},
}
_REPEATED = frozenset(
    {
        "to",
        "status",
        "recipient",
        "tag",
        "from",
        "type",
        "message",
        "relay",
        "name",
        "address",
    }
)

_REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "An id for the request, returned in the response: 1 to 128 printable ASCII characters. mailsvc creates one otherwise.",
    "schema": {"type": "string"},
}
_GOOD = {
    200: "Success.",
    201: "Created.",
    202: "Accepted and stored durably.",
    204: "Deleted.",
    503: "Not ready.",
}
_PROBLEMS = {
    400: "The request is malformed: invalid JSON, a duplicate name, or wrong syntax.",
    401: "The API key is missing, unknown, revoked or expired.",
    403: "The key lacks the scope (`insufficient_scope`), or is not allowed from this network (`network_not_allowed`).",
    404: "The app has no such object.",
    408: "The request body did not arrive in time.",
    409: "The object's state does not allow it, or the first request with this `Idempotency-Key` is still running.",
    413: "The request exceeds a size limit; `detail` names the limit and its setting.",
    415: "The content type is not supported here, or the body has a Content-Encoding.",
    422: "The values are invalid; `errors` names each field.",
    429: "Too many wrong keys from this address, or more messages than `MAILSVC_RATE_PER_KEY` allows.",
    500: "An internal error; the service's log contains the `request_id`.",
    503: "The request can't be carried out now: database unreachable, disk nearly full, queue full, or too many requests. "
    "Unless `detail` says otherwise, nothing was stored.",
}
_RETRY_AFTER = frozenset({409, 429, 503})

_ABOUT = """Send mail through the account that you already have, and learn the outcome for every recipient.

Times are RFC 3339 in UTC. Errors are `application/problem+json` (RFC 9457) with a stable `code`. Lists take `limit` and
`cursor`, and return `{"data": [...], "next_cursor": ...}`. Unknown fields and parameters are rejected (422). Every response
has an `X-Request-Id`, the client's own if it sent one. An object of another app is a 404."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, with what its module says about it."""

    method: str
    path: str
    name: str
    tag: str
    operation: Operation
    scope: str | None

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{([^}]+)\}", self.path)


def routes(app: Flask) -> list[Route]:
    """Every operation of the application, the resources that people come for first.

    Raises:
        LookupError: a view that its module does not describe.
    """
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        described = getattr(sys.modules[view.__module__], "OPERATIONS", {})
        name = view.__name__
        if name not in described:
            raise LookupError(f"{view.__module__}.OPERATIONS does not describe {name}")
        path = _CONVERTER.sub(lambda found: "{" + found[1].rstrip("_") + "}", rule.rule)
        scope = getattr(view, "scope", None)
        methods = sorted((rule.methods or set()) - _UNLISTED)
        found += [Route(verb.lower(), path, name, _tag(rule), described[name], scope) for verb in methods]
    return sorted(found, key=lambda route: (list(_TAGS).index(route.tag), route.path, _VERBS.index(route.method)))


def _tag(rule: Rule) -> str:
    """The resource: what stands first in the path below /v1, else the module."""
    _, version_, resource, *_ = f"{rule.rule}//".split("/")
    return resource if version_ == "v1" else rule.endpoint.partition(".")[0]


def describe(app: Flask, limits: Limits) -> dict[str, Any]:
    """The document for this application, under these limits."""
    known = routes(app)
    types = [kind for route in known for kind in _types_of(route)]
    requests = [route.operation.request for route in known if route.operation.request is not None]
    schemas, named = components(types, limits, requests=requests)
    schema_of = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in known:
        paths.setdefault(route.path, {})[route.method] = _operation(route, schema_of, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mailsvc",
            "version": version("mailsvc"),
            "description": _ABOUT,
            "license": {"name": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, as `Authorization: Bearer <key>`.",
                }
            },
            "parameters": {"X-Request-Id": _REQUEST_ID},
            "headers": _headers(),
            "responses": {f"Problem{status}": _problem(status) for status in _PROBLEMS},
            "schemas": named,
        },
    }


def to_yaml(document: dict[str, Any]) -> str:
    """The document as it is checked in and served."""
    import yaml  # noqa: PLC0415 - a service that is never asked for the document does not load it

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - pyyaml's signature
            return True

    Plain.add_representer(str, _readable)
    text: str = yaml.dump(document, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)
    return text


def _readable(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _types_of(route: Route) -> Iterable[Any]:
    operation = route.operation
    kinds = (
        operation.request,
        operation.answer,
        *operation.also_answers.values(),
    )
    return [kind for kind in kinds if kind is not None]


def _operation(route: Route, schema_of: dict[int, Any], named: dict[str, Any]) -> dict[str, Any]:
    operation = route.operation
    described: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": operation.summary,
    }
    if route.scope is not None:
        described["description"] = f"Requires an API key with the scope `{route.scope}`."
        described["security"] = [{"key": [route.scope]}]
    if parameters := _parameters(route):
        described["parameters"] = parameters
    if operation.request is not None:
        described["requestBody"] = _request_body(route, schema_of[id(operation.request)], named)
    described["responses"] = _responses(route, schema_of)
    return described


def _request_body(route: Route, schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    form = named.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    content = {"application/json": {"schema": schema}} | dict(route.operation.also_takes)
    # An action whose members are all optional may be asked for without a body.
    return {
        "required": route.method == "patch" or not form or "required" in form,
        "content": content,
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "description": "The object's id.", "schema": {"type": "string"}}
        for name in route.parameters
    ]
    for name, text in route.operation.query.items():
        schema = _ARGUMENTS.get(name, {"type": "string"})
        if name in _REPEATED:
            schema = {"type": "array", "items": schema}
        shown = f"{name}KEY" if name.endswith(".") else name
        parameters.append({"name": shown, "in": "query", "description": text, "schema": schema})
    if route.operation.is_idempotent:
        text = "Makes retries safe: the same request with the same key returns the first response again. Kept for 24 hours."
        schema = {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH}
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": text,
                "schema": schema,
            }
        )
    if route.scope is not None:
        parameters.append({"$ref": "#/components/parameters/X-Request-Id"})
    return parameters


def _responses(route: Route, schema_of: dict[int, Any]) -> dict[str, Any]:
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
    if route.parameters:
        statuses.add(404)
    if route.method != "get":
        statuses |= {400, 408, 409, 413, 415}
    return sorted(statuses)


def _problem(status: int) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if status in _RETRY_AFTER:
        names.append("Retry-After")
    if status == 401:
        names.append("WWW-Authenticate")
    content = {"application/problem+json": {"schema": reference(ProblemDocument.__name__)}}
    return {
        "description": _PROBLEMS[status],
        "headers": _named_headers(*names),
        "content": content,
    }


def _headers() -> dict[str, Any]:
    texts = {
        "X-Request-Id": "The request's id, as in the service's log.",
        "Retry-After": "Seconds to wait before the next try.",
        "WWW-Authenticate": "The authentication scheme.",
        "Idempotent-Replayed": "`true` if this is a repetition of the first response.",
    }
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}


def _named_headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
