"""Strict JSON, parsed into typed values; every error names its field."""

import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from mailsvc.domain.errors import FieldError, Invalid, Malformed, TooLarge
from mailsvc.domain.field_errors import LONGEST_NAME, complaint
from mailsvc.domain.fieldtext import body_flaw, printable
from mailsvc.domain.nulls import without_nulls

__all__ = ["convert", "parse_json", "shown_name", "typed"]

T = TypeVar("T")
# The only escapes in valid UTF-8 JSON that stand for what neither a database nor a mail can store.
_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# For JSON without its escaped quotes and backslashes, so that every quote begins or ends a string.
_STRING = re.compile(rb'"[^"]*"?')
_STRINGS = re.compile(rb'(?:[^"]*"[^"]*"){1,10000}')  # a part that ends outside of strings
# More than in any request within the other limits; 35 MiB of "[]," would take a gigabyte of objects.
MOST_VALUES = 1_500_000
MOST_NAMES = 600_000
_BOM = b"\xef\xbb\xbf"


def typed(data: bytes, kind: type[T]) -> T:
    """Parse strict JSON as a value of this type. Raises as ``parse_json`` and ``convert``."""
    value = parse_json(data)
    if _UNSTORABLE.search(data):
        _refuse_unstorable(value)
    return convert(value, kind)


def parse_json(data: bytes, *, what: str = "the body") -> Any:
    """Parse strict JSON (RFC 8259, I-JSON's unique names): UTF-8, no NaN, no duplicate names, limited depth.

    Args:
        what: the text, as an error names it.

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
        raise Malformed(f"{what} is not UTF-8") from None
    except ValueError as error:
        said = "a number has too many digits" if "integer string conversion" in str(error) else str(error)[:200]
        raise Malformed(f"{what} is not valid JSON: {said}") from None


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
    """Raise Invalid for a string with a lone surrogate or NUL, in names and in values."""
    waiting = [(path.strip("."), value)]  # no recursion: the value may be as deeply nested as the parser allows
    while waiting:
        where, item = waiting.pop()
        if isinstance(item, str) and (flaw := body_flaw(item)):
            raise Invalid(FieldError(where, flaw))
        if isinstance(item, list):
            waiting += [(f"{where}.{index}", entry) for index, entry in enumerate(item)]
        elif isinstance(item, dict):
            for name, entry in item.items():
                below = f"{where}.{shown_name(name)}".strip(".")
                waiting += [(below, entry), (below, name)]


def shown_name(name: str) -> str:
    """A member's name, as an error can show it."""
    return printable(name[:LONGEST_NAME])


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


# Created once: json.loads would create a decoder per request, which takes longer than reading a mail with it.
_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).decode
