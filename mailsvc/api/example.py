"""An example value for a JSON schema, so that every body in the documentation is shown filled in."""

from collections.abc import Mapping
from typing import Any

__all__ = ["sample"]

_STRINGS = {"date-time": "2030-01-01T12:00:00Z", "byte": "aGVsbG8="}
_OTHERS: dict[str, Any] = {"integer": 0, "number": 0.5, "boolean": True, "null": None}
_DEEPEST = 6


def sample(schema: Mapping[str, Any], named: Mapping[str, Any], depth: int = 0) -> Any:
    """One value that the schema allows; ``named`` holds what ``$ref`` refers to."""
    if depth > _DEEPEST:
        return None
    if "$ref" in schema:
        return sample(named[schema["$ref"].rpartition("/")[2]], named, depth + 1)
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if kinds := schema.get("anyOf") or schema.get("oneOf"):
        return sample(kinds[0], named, depth)
    return _by_type(schema, named, depth)


def _by_type(schema: Mapping[str, Any], named: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(inner, named, depth + 1) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema["items"], named, depth + 1)] if schema.get("items") else []
    if kind == "string":
        return _STRINGS.get(schema.get("format", ""), "…")
    return schema.get("minimum", _OTHERS.get(str(kind)))
