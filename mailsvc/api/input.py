"""Reading requests: strict JSON into typed values, and every complaint under the name of its field."""

import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec
from flask import request

from mailsvc.domain.errors import FieldError, Invalid, Malformed, UnsupportedMedia

__all__ = [
    "convert",
    "media_type",
    "parse_json",
    "read_body",
    "read_json",
    "refuse_unknown_arguments",
]

T = TypeVar("T")
_WHERE = re.compile(r"^(.*?)(?: - at `(?:key in )?\$([^`]*)`)?$", re.DOTALL)
_NAMED = re.compile(r"(?:unknown|required) field `([^`]*)`")


def media_type() -> str:
    """The request's media type; raises UnsupportedMedia for encoded bodies."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("send the body without Content-Encoding")
    return request.mimetype.lower()


def read_body() -> bytes:
    """The whole body, within MAILSVC_MAX_REQUEST_BYTES."""
    return request.get_data(cache=False)


def read_json(kind: type[T]) -> T:
    """The body as a value of this type.

    Raises:
        UnsupportedMedia: it is not sent as JSON.
        Malformed: it is not JSON.
        Invalid: it is JSON of another shape.
    """
    if media_type() != "application/json":
        raise UnsupportedMedia("send the body as Content-Type: application/json")
    return convert(parse_json(read_body()), kind)


def parse_json(data: bytes) -> Any:
    """Strict JSON (RFC 8259, I-JSON's unique names): no NaN, no name twice, not too deep; raises Malformed."""
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except ValueError as error:
        raise Malformed(f"the body is not valid JSON: {str(error)[:200]}") from None


def convert(value: Any, kind: type[T], *, prefix: str = "") -> T:
    """Parsed JSON as a value of this type; raises Invalid."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Invalid(_field_error(str(error), prefix)) from None
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None


def refuse_unknown_arguments(*known: str) -> None:
    """A misspelt filter must not silently match everything."""
    unknown = sorted(name for name in request.args if name not in known and not name.startswith("metadata."))
    if unknown:
        raise Invalid(*(FieldError(name, f"is not a parameter here; known are {', '.join(known)}") for name in unknown))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:100]!r} appears twice in one object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _field_error(text: str, prefix: str) -> FieldError:
    match = _WHERE.match(text)
    said, path = (match[1], match[2] or "") if match else (text, "")
    field = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", path).strip(".")
    named = _NAMED.search(said)
    if named:
        field = f"{field}.{named[1]}".strip(".")
        said = "is not a field here" if "unknown" in said else "is required"
    return FieldError((prefix + field).strip("."), said[:1].lower() + said[1:])
