"""Paths and parameters of requests."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote

from mailsvc_sdk._exchange import Request
from mailsvc_sdk._sending.draft import canonical
from mailsvc_sdk._sending.times import When, instant

__all__ = ["HasId", "identifier", "json_request", "parameters", "path", "times"]


class HasId(Protocol):
    """Any object of the API."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


def identifier(value: str | HasId) -> str:
    """Return an id, of itself or of an object. Raises ValueError if it can be none, TypeError if it is no string."""
    found = value if isinstance(value, str) else value.id
    if not isinstance(found, str):
        raise TypeError(f"an id is a str, not {type(found).__name__}")
    if not found or "/" in found:
        raise ValueError(f"{found!r} is no id")
    return found


def path(*segments: str | HasId) -> str:
    """Return the path below ``/v1``; each segment is percent-encoded."""
    return "/v1/" + "/".join(quote(identifier(segment), safe="") for segment in segments)


def parameters(**filters: Any) -> tuple[tuple[str, str], ...]:
    """Return query parameters. None is left out, a list is repeated, a mapping gives ``name.KEY``."""
    found: list[tuple[str, str]] = []
    for name, value in filters.items():
        found += _parameter(name.removesuffix("_"), value)
    return tuple(found)


def _parameter(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [pair for key, member in value.items() for pair in _parameter(f"{name}.{key}", member)]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    if isinstance(value, datetime | timedelta):
        return [(name, instant(value))]
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [pair for entry in value for pair in _parameter(name, entry)]
    return [(name, str(value))]


def times(**values: When | None) -> dict[str, str]:
    """Return the times that are given."""
    return {name: instant(value) for name, value in values.items() if value is not None}


def json_request(method: str, where: str, document: Mapping[str, Any], **more: Any) -> Request:
    """Return a request with a JSON body."""
    return Request(method, where, headers={"Content-Type": "application/json"}, content=canonical(document), **more)
