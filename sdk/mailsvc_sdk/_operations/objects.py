"""What the operations on relays, mailboxes, webhooks, suppressions and keys have in common."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from mailsvc_sdk._call import call
from mailsvc_sdk._exchange import Operation, Request
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.record import Record, decode
from mailsvc_sdk._operations.paths import HasId, json_request, path
from mailsvc_sdk._options import Options
from mailsvc_sdk._sending.times import instant

__all__ = ["act", "change", "create", "fetch", "members", "query", "remove"]

R = TypeVar("R", bound=Record)


def members(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as JSON."""
    return {name: _member(value) for name, value in fields.items()}


def _member(value: Any) -> Any:
    if isinstance(value, datetime | timedelta):
        return instant(value)
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return list(value)
    return value


def query(
    options: Options,
    kind: type[R],
    where: str,
    params: tuple[tuple[str, str], ...] = (),
    *,
    page: tuple[int, int | None, str | None],
) -> Query[R]:
    """Return the query for the objects at a path."""
    decoded: Callable[[Mapping[str, Any]], R] = partial(decode, kind)
    return Query(options, where, decoded, params, *page)


def fetch(options: Options, kind: type[R], *segments: str | HasId) -> Operation[R]:
    """Return one object."""
    return decode(kind, (yield from call(options, Request("GET", path(*segments)))).json())


def create(options: Options, kind: type[R], where: str, fields: Mapping[str, Any]) -> Operation[R]:
    """Make an object; None is not given."""
    given = {name: value for name, value in members(fields).items() if value is not None}
    return decode(kind, (yield from call(options, json_request("POST", path(where), given))).json())


def change(
    options: Options, kind: type[R], segments: tuple[str | HasId, ...], fields: Mapping[str, Any]
) -> Operation[R]:
    """Change an object; None resets a field (RFC 7396)."""
    request = json_request("PATCH", path(*segments), members(fields))
    return decode(kind, (yield from call(options, request)).json())


def act(
    options: Options, kind: type[R], *segments: str | HasId, fields: Mapping[str, Any] | None = None
) -> Operation[R]:
    """Carry out an action."""
    where = path(*segments)
    given = {name: value for name, value in members(fields or {}).items() if value is not None}
    request = Request("POST", where) if fields is None else json_request("POST", where, given)
    return decode(kind, (yield from call(options, request)).json())


def remove(options: Options, *segments: str | HasId) -> Operation[None]:
    """Delete an object."""
    yield from call(options, Request("DELETE", path(*segments)))
