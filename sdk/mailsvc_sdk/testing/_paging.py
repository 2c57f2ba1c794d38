"""Pages, filters and bodies of requests to the fake."""

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar

from mailsvc_sdk._exchange import Request
from mailsvc_sdk.testing._problem import Problem, invalid

__all__ = ["body_of", "filters_of", "known", "limit_of", "page_of"]

T = TypeVar("T")
Params = tuple[tuple[str, str], ...]


def filters_of(params: Params, *, but: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return the filters of a list, by name."""
    found: dict[str, list[str]] = {}
    for name, value in params:
        if name not in {"limit", "cursor", *but}:
            found.setdefault(name, []).append(value)
    return found


def limit_of(params: Params) -> int:
    """Return how many items a page has. Raises Problem."""
    limit = int(dict(params).get("limit", 50))
    if not 1 <= limit <= 200:
        raise invalid(("limit", "must be from 1 to 200"))
    return limit


def page_of(items: Iterable[Mapping[str, Any]], params: Params) -> dict[str, Any]:
    """Return a page; its cursor is the id of its last item, so that later items move nothing."""
    rest = iter(items)
    after = dict(params).get("cursor")
    if after is not None and all(item["id"] != after for item in rest):
        raise invalid(("cursor", "is not known"))
    limit = limit_of(params)
    page = list(islice(rest, limit + 1))
    return {"data": page[:limit], "next_cursor": page[limit - 1]["id"] if len(page) > limit else None}


def body_of(request: Request) -> dict[str, Any]:
    """Return a JSON object; without a body, an empty one."""
    document = json.loads(request.content or b"{}")
    if not isinstance(document, dict):
        raise Problem(422, "validation_failed", "the body must be an object")
    return document


def known(objects: Mapping[str, T], id_: str) -> T:
    """Return an object by its id. Raises Problem."""
    if id_ not in objects:
        raise Problem(404, "not_found", f"there is no {id_!r}")
    return objects[id_]
