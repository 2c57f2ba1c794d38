"""JSON null: it means that a member is not given, for every optional member."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import inspect

__all__ = ["without_nulls"]


def without_nulls(value: Any, kind: Any) -> Any:
    """Return the value without null members that have no meaning for a struct of this kind.

    If a field allows null, null is a value, and stays. So does null in free-form values (variables).
    """
    fields = _fields_of(kind)
    if not fields or not isinstance(value, dict):
        return value
    found = value
    if None in value.values():
        found = {name: v for name, v in value.items() if v is not None or name not in fields or fields[name].takes_null}
    for name, field in _nested_fields_of(kind):
        if field.struct is not None and name in found:
            below = _below(found[name], field.struct)
            if below is not found[name]:
                found = found | {name: below}
        elif field.drops_members and isinstance(members := found.get(name), dict) and None in members.values():
            found = found | {name: {key: v for key, v in members.items() if v is not None}}
    return found


def _below(value: Any, kind: Any) -> Any:
    if not isinstance(value, list):
        return without_nulls(value, kind)
    entries = [without_nulls(entry, kind) for entry in value]
    return entries if any(new is not old for new, old in zip(entries, value, strict=True)) else value


class _Field:
    def __init__(self, type_: Any) -> None:
        kinds = (type_, *getattr(type_, "types", ()))
        self.takes_null = any(isinstance(kind, inspect.NoneType | inspect.AnyType) for kind in kinds)
        values = [kind.value_type for kind in kinds if isinstance(kind, inspect.DictType)]
        self.drops_members = bool(values) and not isinstance(values[0], inspect.NoneType | inspect.AnyType)
        items = [getattr(kind, "item_type", kind) for kind in kinds]
        self.struct = next((item.cls for item in items if isinstance(item, inspect.StructType)), None)


@cache
def _fields_of(kind: Any) -> Mapping[str, _Field]:
    type_ = inspect.type_info(kind)
    return {f.encode_name: _Field(f.type) for f in type_.fields} if isinstance(type_, inspect.StructType) else {}


@cache
def _nested_fields_of(kind: Any) -> list[tuple[str, _Field]]:
    """The fields whose values have members: for a message, three of thirty."""
    return [
        (name, field) for name, field in _fields_of(kind).items() if field.struct is not None or field.drops_members
    ]
