"""Generates the OpenAPI 3.1 document from the running code: routes, each view's ``Operation``, scopes and types."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from flask import Flask

from mailsvc.api.responses import PROBLEMS, headers, problem, responses
from mailsvc.api.routes import TAGS, Route, routes
from mailsvc.api.schemas import components
from mailsvc.api.submit import KEY_LENGTH
from mailsvc.domain.draft import Limits

__all__ = ["describe", "to_yaml"]


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
_ABOUT = """Send mail through the account that you already have, and learn the outcome for every recipient.

Times are RFC 3339 in UTC. Errors are `application/problem+json` (RFC 9457) with a stable `code`. Lists take `limit` and
`cursor`, and return `{"data": [...], "next_cursor": ...}`. Unknown fields and parameters are rejected (422). Every response
has an `X-Request-Id`, the client's own if it sent one. An object of another app is a 404."""


def describe(app: Flask, limits: Limits, *, root: str = "") -> dict[str, Any]:
    """Return the document for this application, with these limits.

    Args:
        root: the path below which it is mounted.
    """
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
        "servers": [{"url": root or "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
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
            "headers": headers(),
            "responses": {f"Problem{status}": problem(status) for status in PROBLEMS},
            "schemas": named,
        },
    }


def to_yaml(document: dict[str, Any]) -> str:
    """Return the document as YAML, as it is checked in and served."""
    import yaml  # noqa: PLC0415 - loaded only if the document is requested

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
    described["responses"] = responses(route, schema_of)
    return described


def _request_body(route: Route, schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    form = named.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    content = {"application/json": {"schema": schema}} | dict(route.operation.also_takes)
    # The body of an action is optional if all its members are.
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
