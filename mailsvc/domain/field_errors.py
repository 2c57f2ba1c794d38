"""Describes a value of the wrong type: translates msgspec's errors into a field and a way to fix it."""

import re
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from mailsvc.domain.errors import FieldError
from mailsvc.domain.fieldtext import printable

__all__ = ["LONGEST_NAME", "complaint"]

LONGEST_NAME = 200

_WHERE = re.compile(r"^(.*?)(?: - at `(?:key in )?\$([^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_NAMED = re.compile(r"(?:unknown|required) field `([^`]*)`")
_MISTYPED = re.compile(r"Expected `([a-z |]+)`, got `(\w+)`")
_WANTED = {
    "str": "a string", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list",
    "object": "an object", "bytes": "a string of base64",
}  # fmt: skip
_GIVEN = _WANTED | {"float": "a fraction", "bool": "a boolean"}


def complaint(error: msgspec.ValidationError, value: Any, kind: Any, prefix: str) -> FieldError:
    """Return the wrong field below ``prefix``, and what it must be; ``value`` should have had this ``kind``."""
    match = _WHERE.match(str(error))
    said, path = (match[1], match[2] or "") if match else (str(error), "")
    steps = [name or index for name, index in _STEP.findall(path)]
    if named := _NAMED.search(said):
        steps.append(printable(named[1][:LONGEST_NAME]))
    elif steps and steps[-1] == "...":
        steps[-1:] = _name_of_wrong_member(value, steps[:-1])
    return FieldError(prefix + ".".join(steps) if steps else prefix.strip(".") or "body", _detail(said, kind, steps))


def _detail(said: str, kind: Any, steps: list[str]) -> str:
    if "unknown field" in said:
        return "is not a field here"
    if "required field" in said:
        return "is required"
    if "base64" in said:
        return "is not base64; encode it by RFC 4648, with its padding"
    if said.startswith("Invalid enum value"):
        return f"can't be {said.removeprefix('Invalid enum value ')[:100]}; give {_choices(kind, steps)}"
    if mistyped := _MISTYPED.fullmatch(said):
        wanted = " or ".join(_WANTED.get(name, name) for name in mistyped[1].split(" | "))
        return f"must be {wanted}, not {_GIVEN.get(mistyped[2], mistyped[2])}"
    return said[:1].lower() + said[1:300]


def _name_of_wrong_member(value: Any, steps: list[str]) -> list[str]:
    """The wrong member of a mapping, which msgspec does not name; all values of our mappings are strings."""
    for step in steps:
        value = value[int(step) if isinstance(value, list) else step]
    wrong = (name for name, member in value.items() if not isinstance(member, str)) if isinstance(value, dict) else ()
    return [printable(name[:LONGEST_NAME]) for name in wrong][:1]


def _choices(kind: Any, steps: list[str]) -> str:
    """The values that this field allows."""
    type_ = _type_info(kind)
    for step in steps:
        kinds = (type_, *getattr(type_, "types", ()))
        members = [field.type for kind in kinds for field in getattr(kind, "fields", ()) if field.encode_name == step]
        items = [kind.item_type for kind in kinds if hasattr(kind, "item_type")]
        type_ = next(iter((*members, *items)), type_)
    options = [t for t in (type_, *getattr(type_, "types", ())) if isinstance(t, inspect.LiteralType)]
    return ", ".join(str(v) for option in options for v in option.values) or "another value"


@cache
def _type_info(kind: Any) -> Any:
    return inspect.type_info(kind)
