"""Values of settings from texts."""

from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from mailsvc.settings.values import BadSetting, parse_bool, parse_number, parse_rate, parse_soft_bounces, read_file

__all__ = ["PREFIX", "converted", "require_kind"]

PREFIX = "MAILSVC_"


def converted(name: str, kind: Any, value: Any) -> Any:
    """The value of the setting, from what a file or the environment gives.

    Args:
        kind: its type.

    Raises:
        BadSetting: it can't be read as that.
    """
    kind, shown = str(kind), PREFIX + name.upper()
    text = str(value).strip() if not isinstance(value, bool) else ("true" if value else "false")
    if "bool" in kind:
        return parse_bool(text, shown)
    if text == "" and "None" in kind:
        return None
    if "Path" in kind:
        return Path(text or "mailsvc-data")
    if "int" in kind:
        return parse_number(text, shown)
    if name == "rate_per_key":
        return parse_rate(text, shown)
    if name == "soft_bounce_limit":
        return parse_soft_bounces(text, shown)
    if name == "webhook_ca" and "-----BEGIN" not in text:
        return read_file(shown, text)
    return text


def require_kind(name: str, kind: Any, value: Any) -> None:
    """Raise BadSetting for a value of another type, which is not shown: it may be a secret."""
    known = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    accepted: list[Any] = []
    for each in known:
        accepted += {float: (float, int), bool: (bool, int)}.get(each, (str if get_origin(each) is Literal else each,))
    if not isinstance(value, tuple(accepted)):
        shown = " or ".join(getattr(each, "__name__", "str") for each in known)
        raise BadSetting(
            f"{PREFIX}{name.upper()} must be {shown}, not {type(value).__name__}.".replace("NoneType", "None")
        )
