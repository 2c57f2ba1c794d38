"""``GET /openapi.yaml`` and ``GET /docs``: the API described, for programs and for people. No key is needed.

The page is made from the document alone, needs no script and loads nothing, as its Content-Security-Policy says.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, current_app, render_template

from mailsvc.api.example import sample
from mailsvc.api.openapi import describe, to_yaml
from mailsvc.api.operation import Operation
from mailsvc.api.parts import services

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("docs", __name__, template_folder="templates")

OPERATIONS = {
    "get_openapi": Operation(summary="This description, as OpenAPI 3.1.", media="application/yaml"),
    "get_docs": Operation(summary="This description, as a page to read.", media="text/html"),
}

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid #8886; }
h3 { margin: 2.2rem 0 .3rem; }
code, pre { font: .9em/1.45 ui-monospace, monospace; }
pre { background: #8881; border-radius: .4rem; padding: .7rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #8883; }
nav ul { columns: 2; padding-left: 1rem; list-style: none; }
.method { text-transform: uppercase; font-weight: 700; }
.needs { opacity: .75; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_made_lock = threading.Lock()


@blueprint.get("/openapi.yaml")
def get_openapi() -> Response:
    """The OpenAPI document with this service's limits."""
    text = _made_once("mailsvc-openapi", lambda: to_yaml(_describe()))
    return Response(text, content_type="application/yaml; charset=utf-8")


@blueprint.get("/docs")
def get_docs() -> Response:
    """The document as one HTML page."""
    response = Response(_made_once("mailsvc-docs", _render), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _describe() -> dict[str, Any]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the documented way
    return describe(app, services().settings.limits)


def _made_once(name: str, make: Callable[[], str]) -> str:
    with _made_lock:
        if name not in current_app.extensions:
            current_app.extensions[name] = make()
        made: str = current_app.extensions[name]
        return made


def _render() -> str:
    described = _describe()
    schemas = described["components"]["schemas"]
    groups: dict[str, list[dict[str, Any]]] = {}
    for method, path, operation in _operations(described):
        shown = _shown(operation, described["components"]) | {
            "method": method,
            "path": path,
        }
        groups.setdefault(operation["tags"][0], []).append(shown)
    return render_template(
        "docs.html",
        info=described["info"],
        groups=groups,
        tags={tag["name"]: tag["description"] for tag in described["tags"]},
        schemas={name: _fields(schema) | {"schema": schema} for name, schema in schemas.items()},
        style=STYLE,
    )


def _operations(
    described: Mapping[str, Any],
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _shown(operation: dict[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    """The operation with its references followed and examples of what goes in and comes out."""
    bodies = operation.get("requestBody", {}).get("content", {})
    answers = []
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            answer = components["responses"][answer["$ref"].rpartition("/")[2]]  # noqa: PLW2901 - the same, followed
        answers.append(
            {
                "status": status,
                **answer,
                "bodies": _bodies(answer.get("content", {}), components),
            }
        )
    parameters = [
        components["parameters"][p["$ref"].rpartition("/")[2]] if "$ref" in p else p
        for p in operation.get("parameters", ())
    ]
    return operation | {
        "parameters": parameters,
        "bodies": _bodies(bodies, components),
        "answers": answers,
    }


def _bodies(content: Mapping[str, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    bodies = []
    for media, described in content.items():
        name = described["schema"].get("$ref", "").rpartition("/")[2]
        example = None
        if media.endswith("json"):
            example = json.dumps(
                sample(described["schema"], components["schemas"]),
                indent=2,
                ensure_ascii=False,
            )
        bodies.append({"media": media, "name": name, "example": example})
    return bodies


def _fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        "fields": [
            {
                "name": name,
                "type": type_words(property_),
                "required": name in required,
                **property_,
            }
            for name, property_ in schema.get("properties", {}).items()
        ]
    }


_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "maxProperties": "at most {} pairs",
    "minimum": "from {}",
    "maximum": "to {}",
}


def type_words(schema: Mapping[str, Any]) -> str:
    """What a schema allows, in a few words."""
    if "$ref" in schema:
        words = str(schema["$ref"]).rpartition("/")[2]
    elif "enum" in schema:
        words = ", ".join(json.dumps(value) for value in schema["enum"])
    elif kinds := schema.get("anyOf"):
        words = " or ".join(type_words(kind) for kind in kinds)
    elif schema.get("type") == "array" and schema.get("items"):
        words = f"list of {type_words(schema['items'])}"
    else:
        words = str(schema.get("format") or schema.get("type") or "any")
    limits = [text.format(schema[keyword]) for keyword, text in _LIMITS.items() if keyword in schema]
    return words + (f" ({', '.join(limits)})" if limits else "")
