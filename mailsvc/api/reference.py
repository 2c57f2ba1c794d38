"""The content of the page /docs for each operation: its fields, its responses, and a request with curl."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from mailsvc.api.example import id_of, sample

__all__ = ["Reference"]

_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "maxProperties": "at most {} pairs",
    "minimum": "from {}",
    "maximum": "up to {}",
}
_UNSAID: tuple[Any, ...] = (None, [], (), {}, "")
_SAID_ONCE = "X-Request-Id"  # in the guide, because every operation accepts it


class Reference:
    """Reads an OpenAPI document for the page; all texts are Markdown."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._components: Mapping[str, Any] = document["components"]
        self._schemas: Mapping[str, Any] = self._components["schemas"]

    def groups(self) -> dict[str, dict[str, Any]]:
        """The resources in the document's order, each with its text and its operations."""
        groups: dict[str, dict[str, Any]] = {
            tag["name"]: {"text": tag["description"], "operations": []} for tag in self._document["tags"]
        }
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                groups[operation["tags"][0]]["operations"].append(self._operation(method, path, operation))
        return groups

    def objects(self) -> Iterator[dict[str, Any]]:
        """Every schema, with its fields."""
        for name, schema in self._schemas.items():
            yield {
                "name": name,
                "text": schema.get("description", ""),
                "fields": self.fields(schema),
                "values": schema.get("enum", ()),
            }

    def fields(self, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the members of an object, with descriptions."""
        required, members = schema.get("required", ()), schema.get("properties", {})
        return [_field(name, described, required=name in required) for name, described in members.items()]

    def _operation(self, method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
        parameters = [self._followed(parameter, "parameters") for parameter in operation.get("parameters", ())]
        responses = {
            status: self._followed(response, "responses") for status, response in operation["responses"].items()
        }
        return {
            "id": operation["operationId"],
            "title": operation["operationId"].replace("_", " ").capitalize(),
            "method": method.upper(),
            "path": path,
            "summary": operation["summary"],
            "scope": next((need for key in operation.get("security", ()) for need in key["key"]), None),
            "parameters": [_parameter(parameter) for parameter in parameters if parameter["name"] != _SAID_ONCE],
            "bodies": self._bodies(operation.get("requestBody", {})),
            "responses": [self._response(status, r) for status, r in responses.items() if not _is_problem(r)],
            "problems": {status: r["description"] for status, r in responses.items() if _is_problem(r)},
            "curl": self._curl(method, path, operation, parameters),
        }

    def _followed(self, value: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._components[kind][_name(value)] if "$ref" in value else value
        return found

    def _bodies(self, holder: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [self._body(media, described["schema"]) for media, described in holder.get("content", {}).items()]

    def _body(self, media: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        name = _name(schema)
        return {
            "media": media,
            "name": name,
            "text": schema.get("description", ""),
            "fields": self.fields(self._schemas.get(name, {})),
        }

    def _response(self, status: str, response: Mapping[str, Any]) -> dict[str, Any]:
        bodies = self._bodies(response)
        return {
            "status": status,
            "text": response["description"],
            "bodies": bodies,
            "example": self._example(response) if any(body["name"] for body in bodies) else None,
        }

    def _example(self, holder: Mapping[str, Any]) -> str:
        schema = holder["content"]["application/json"]["schema"]
        return json.dumps(sample(schema, self._schemas), indent=2, ensure_ascii=False)

    def _curl(self, method: str, path: str, operation: Mapping[str, Any], parameters: list[Mapping[str, Any]]) -> str:
        """Return the request as a shell command; the page's beginning sets its variables."""
        place = path.replace("{id}", id_of(operation["tags"][0])) if "{id}" in path else path
        verb = "" if method == "get" else f"-X {method.upper()} "
        parts = [f'curl {verb}"$MAILSVC_URL{place}"']
        if operation.get("security"):
            parts.append('-H "Authorization: Bearer $MAILSVC_API_KEY"')
        if any(parameter["name"] == "Idempotency-Key" for parameter in parameters):
            parts.append('-H "Idempotency-Key: order-17"')
        if "requestBody" in operation:
            parts += [
                '-H "Content-Type: application/json"',
                f"-d {shlex.quote(self._example(operation['requestBody']))}",
            ]
        return " \\\n  ".join(parts)


def _is_problem(response: Mapping[str, Any]) -> bool:
    return "application/problem+json" in response.get("content", {})


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": parameter.get("description", "")} | dict(parameter["schema"])
    return _field(parameter["name"], described, required=parameter.get("required", False)) | {"in": parameter["in"]}


def _field(name: str, schema: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    default = schema.get("default")
    return {
        "name": name,
        "type": type_words(schema, nullable=required),
        "required": required,
        "limits": ", ".join(_limits(schema)),
        "default": None if default in _UNSAID else json.dumps(default),
        "text": schema.get("description", ""),
    }


def _limits(schema: Mapping[str, Any]) -> list[str]:
    return [text.format(schema[keyword]) for keyword, text in _LIMITS.items() if keyword in schema]


def type_words(schema: Mapping[str, Any], *, nullable: bool = True) -> str:
    """Return what a schema allows, in a few words with links; ``nullable`` says whether to mention null."""
    if name := _name(schema):
        return f"[{name}](#schema-{name})"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if kinds := schema.get("anyOf"):
        return " or ".join(type_words(kind) for kind in kinds if nullable or kind != {"type": "null"})
    if schema.get("type") == "array" and schema.get("items"):
        return f"list of {type_words(schema['items'])}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {type_words(schema['additionalProperties'])}"
    return str(schema.get("format") or schema.get("type") or "any")
