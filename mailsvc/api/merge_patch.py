"""PATCH: a JSON merge patch (RFC 7396) on the form that created the object."""

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["changes_of", "merged"]

_ABSENT = object()


def changes_of(
    given: Mapping[str, Any], shown: Mapping[str, Any], *, form: Any, mask: str, secrets: tuple[str, ...]
) -> dict[str, Any]:
    """Return the members of a patch that change something.

    Members may be sent back as GET showed them, including read-only members and masked secrets; so may the mask of a
    secret that is not set. Null is ignored for members that ``form`` requires, because they have no default.
    """
    required = {field.encode_name for field in msgspec.structs.fields(form) if field.required}
    return {
        name: value
        for name, value in given.items()
        if shown.get(name, _ABSENT) != value
        and not (name in secrets and value == mask)
        and not (value is None and name in required)
    }


def merged(target: Any, patch: Any) -> Any:
    """Return the target after the patch: members are set or replaced, null removes (RFC 7396 section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
