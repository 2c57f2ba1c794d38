"""Makes frozen objects of JSON."""

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

__all__ = ["Record", "decode", "record", "utc"]

C = TypeVar("C")
Convert = Callable[[Any], Any]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[C]) -> type[C]:
    """Make a class of objects of the API: frozen, slotted, equal by fields, hashable by id."""
    # Equality and hash are the base's: made for each class, they would take a third of the package's import.
    return dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)(cls)


@record
class Record:
    """The base of all objects of the API.

    Attributes:
        extra: members that this version of the SDK does not know.
        raw: the JSON.
    """

    shown: ClassVar[tuple[str, ...]] = ("id", "status")  # in the repr: never content, never a secret

    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        compared = (entry.name for entry in fields(self) if entry.compare)
        return all(getattr(self, name) == getattr(other, name) for name in compared)

    def __hash__(self) -> int:
        return hash((type(self), getattr(self, "id", None)))

    def __repr__(self) -> str:
        members = ((name, getattr(self, name, None)) for name in self.shown)
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in members if value is not None)})"
        )


def decode(kind: type[C], document: Mapping[str, Any], **known: Any) -> C:
    """Return the object of a JSON object.

    Members that were left out are None, those that the class does not have go to ``extra``.

    Args:
        known: fields that the JSON does not have.
    """
    converters = _converters(kind)
    members = {name: convert(document.get(key)) for key, (name, convert) in converters.items() if name not in known}
    extra = {key: value for key, value in document.items() if key not in converters}
    return kind(**{**members, "extra": extra, "raw": document, **known})


def _converters(kind: type[Any]) -> dict[str, tuple[str, Convert]]:
    found = _known.get(kind)
    if found is None:
        found = _known[kind] = _made(kind)
    return found


_known: dict[type[Any], dict[str, tuple[str, Convert]]] = {}


def _made(kind: type[Any]) -> dict[str, tuple[str, Convert]]:
    hints = get_type_hints(kind)
    names = (entry.name for entry in fields(kind) if entry.name not in {"extra", "raw"})
    return {name.removesuffix("_"): (name, _converter(hints[name])) for name in names}


def _converter(hint: Any) -> Convert:
    if get_origin(hint) in {Union, types.UnionType}:
        hint = next((kind for kind in get_args(hint) if kind is not type(None)), hint)
    if hint is datetime:
        return _time
    if isinstance(hint, type) and issubclass(hint, Record):
        return partial(_object, hint)
    if get_origin(hint) is tuple:
        return partial(_tuple, _converter(get_args(hint)[0]))
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _time(value: Any) -> Any:
    return utc(value) if isinstance(value, str) else value


def utc(text: str) -> datetime:
    """Return an RFC 3339 time."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _object(kind: type[Record], value: Any) -> Any:
    return decode(kind, value) if isinstance(value, Mapping) else value


def _tuple(convert: Convert, value: Any) -> Any:
    return tuple(map(convert, value)) if isinstance(value, list) else value
