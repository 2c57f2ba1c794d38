"""Reads requests: their bodies as typed values, their parameters; every error names its field."""

import re
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from flask import request

from mailsvc.domain.errors import FieldError, Invalid, Malformed, TooLarge, UnsupportedMedia
from mailsvc.domain.strict_json import shown_name, typed

__all__ = [
    "media_type",
    "read_body",
    "read_json",
    "read_json_if_any",
    "refuse_fields",
    "refuse_unknown_arguments",
]

T = TypeVar("T")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


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
    return typed(read_body(), kind)


def read_json_if_any(kind: type[T]) -> T:
    """As ``read_json``; a missing or empty body counts as an empty object."""
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return kind()
    data = read_body()
    if not data:
        return kind()
    _require_json()
    return typed(data, kind)


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


def refuse_fields() -> None:
    """Reject a body that is not an empty object, because its members would be ignored. Raises as ``read_json``."""
    read_json_if_any(_Nothing)


def _require_json() -> None:
    if media_type() != "application/json":
        raise UnsupportedMedia("send the body as Content-Type: application/json")


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
        raise Invalid(*(FieldError(shown_name(name), detail) for name in unknown))
    for name, value in request.args.items(multi=True):
        if "\0" in value:
            raise Invalid(FieldError(shown_name(name), "must not contain NUL (U+0000); remove it"))
    if _BAD_ESCAPE.search(request.query_string):  # it would be kept as it is, and change an address
        raise Malformed(
            "the parameters in the URL have a % that is not followed by two hexadecimal digits; write it as %25"
        )
    try:
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError:  # it would stay percent-encoded, and change an address
        raise Malformed("the parameters in the URL are not UTF-8") from None
