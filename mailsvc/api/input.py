"""Reads requests: parses strict JSON into typed values; every error names its field."""

import json
import re
from typing import Any, NoReturn, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from flask import request

from mailsvc.api.field_errors import LONGEST_NAME, complaint
from mailsvc.api.nulls import without_nulls
from mailsvc.domain.errors import FieldError, Invalid, Malformed, TooLarge, UnsupportedMedia
from mailsvc.domain.fieldtext import body_flaw, printable

__all__ = [
    "convert",
    "media_type",
    "parse_json",
    "read_body",
    "read_json",
    "read_json_if_any",
    "refuse_fields",
    "refuse_unknown_arguments",
]

T = TypeVar("T")
# The only escapes in valid UTF-8 JSON that stand for what neither a database nor a mail can store.
_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# For JSON without its escaped quotes and backslashes, so that every quote begins or ends a string.
_STRING = re.compile(rb'"[^"]*"?')
_STRINGS = re.compile(rb'(?:[^"]*"[^"]*"){1,10000}')  # a part that ends outside of strings
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# More than in any request within the other limits; 35 MiB of "[]," would take a gigabyte of objects.
MOST_VALUES = 1_500_000
MOST_NAMES = 600_000
_BOM = b"\xef\xbb\xbf"


def media_type() -> str:
    """The request's media type; raises UnsupportedMedia for encoded bodies."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("send the body without Content-Encoding")
    return request.mimetype.lower()


def read_body() -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: it is over MAILSVC_MAX_REQUEST_BYTES.
        Unavailable: too many other bodies are being received.
    """
    limit = request.max_content_length
    if limit is not None and (request.content_length or 0) > limit:
        raise TooLarge.request(limit)
    # Not through Flask's own stream: without a Content-Length, it cuts the body off silently.
    data: bytes = request.environ["wsgi.input"].read()
    return data


def read_json(kind: type[T]) -> T:
    """Return the body as a value of this type.

    Raises:
        UnsupportedMedia: it is not sent as JSON.
        Malformed: it is not JSON.
        Invalid: it is JSON of another shape.
    """
    _require_json()
    return _typed(read_body(), kind)


def read_json_if_any(kind: type[T]) -> T:
    """As ``read_json``; a missing or empty body counts as an empty object."""
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return kind()
    data = read_body()
    if not data:
        return kind()
    _require_json()
    return _typed(data, kind)


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


def refuse_fields() -> None:
    """Reject a body that is not an empty object, because its members would be ignored. Raises as ``read_json``."""
    read_json_if_any(_Nothing)


def _require_json() -> None:
    if media_type() != "application/json":
        raise UnsupportedMedia("send the body as Content-Type: application/json")


def _typed(data: bytes, kind: type[T]) -> T:
    value = parse_json(data)
    if _UNSTORABLE.search(data):
        _refuse_unstorable(value)
    return convert(value, kind)


def parse_json(data: bytes) -> Any:
    """Parse strict JSON (RFC 8259, I-JSON's unique names): UTF-8, no NaN, no duplicate names, limited depth.

    Raises:
        Malformed: it is not such JSON.
        TooLarge: it holds more values than any valid request.
    """
    _bound_values(data)
    try:
        # Decoded here, because json.loads would accept UTF-16 and lone surrogates.
        return _decode(data.removeprefix(_BOM).decode())
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except ValueError as error:
        said = "a number has too many digits" if "integer string conversion" in str(error) else str(error)[:200]
        raise Malformed(f"the body is not valid JSON: {said}") from None


def convert(value: Any, kind: type[T], *, prefix: str = "") -> T:
    """Return parsed JSON as a value of this type; null means that a member is not given. Raises Invalid."""
    value = without_nulls(value, kind)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Invalid(complaint(error, value, kind, prefix)) from None
    except UnicodeEncodeError:
        _refuse_unstorable(value, prefix)
        raise
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None


def refuse_unknown_arguments(*known: str) -> None:
    """Reject unknown parameters, because a misspelt filter would match everything.

    Raises Invalid, or Malformed if the parameters are not UTF-8.
    """
    if not request.query_string:
        return
    families = tuple(name for name in known if name.endswith("."))  # such as metadata.
    unknown = sorted(
        name for name in request.args if name not in known and not (families and name.startswith(families))
    )
    if unknown:
        shown = [f"{name}KEY" if name in families else name for name in known]
        detail = f"is not a parameter here; known are {', '.join(shown) or 'none'}"
        raise Invalid(*(FieldError(_shown(name), detail) for name in unknown))
    for name, value in request.args.items(multi=True):
        if "\0" in value:
            raise Invalid(FieldError(_shown(name), "must not contain NUL (U+0000); remove it"))
    if _BAD_ESCAPE.search(request.query_string):  # it would be kept as it is, and change an address
        raise Malformed(
            "the parameters in the URL have a % that is not followed by two hexadecimal digits; write it as %25"
        )
    try:
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError:  # it would stay percent-encoded, and change an address
        raise Malformed("the parameters in the URL are not UTF-8") from None


def _bound_values(data: bytes) -> None:
    if len(data) <= MOST_NAMES or (data.count(b",") <= MOST_VALUES and data.count(b":") <= MOST_NAMES):
        return
    bare = data.replace(rb"\\", b"").replace(rb"\"", b"")
    values = names = at = 0
    while at < len(bare):
        # In parts: removing millions of strings at once would use as much memory as this check must prevent.
        stretch = _STRINGS.match(bare, at)
        end = stretch.end() if stretch else len(bare)
        structure = _STRING.sub(b"", bare[at:end])
        values, names, at = values + structure.count(b","), names + structure.count(b":"), end
        if values > MOST_VALUES or names > MOST_NAMES:
            raise TooLarge(
                f"the JSON holds more than {MOST_VALUES} values or {MOST_NAMES} names; send several requests"
            )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {twice[:100]!r} appears twice in one object")
    return found


def _refuse_unstorable(value: Any, path: str = "") -> None:
    """Raises Invalid for a string with a lone surrogate or NUL, in names and in values."""
    waiting = [(path.strip("."), value)]  # no recursion: the value may be as deeply nested as the parser allows
    while waiting:
        where, item = waiting.pop()
        if isinstance(item, str) and (flaw := body_flaw(item)):
            raise Invalid(FieldError(where, flaw))
        if isinstance(item, list):
            waiting += [(f"{where}.{index}", entry) for index, entry in enumerate(item)]
        elif isinstance(item, dict):
            for name, entry in item.items():
                below = f"{where}.{_shown(name)}".strip(".")
                waiting += [(below, entry), (below, name)]


def _shown(name: str) -> str:
    return printable(name[:LONGEST_NAME])


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


# Created once: json.loads would create a decoder per request, which takes longer than reading a mail with it.
_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).decode
