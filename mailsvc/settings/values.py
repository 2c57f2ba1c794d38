"""Single values of settings: numbers, switches, rates, files."""

import re
from pathlib import Path

from mailsvc.domain.bounce import SoftBounceLimit, parse_soft_bounce_limit
from mailsvc.errors import SettingsError

__all__ = ["BadSetting", "parse_bool", "parse_number", "parse_rate", "parse_soft_bounces", "read_file", "stored_rate"]

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_LARGEST = 10**12  # as a number of bytes or seconds it is as good as none, and every column can keep it
LOWEST_RATE, HIGHEST_RATE = 1 / 86400, 10_000.0  # per second

BadSetting = SettingsError


def read_file(setting: str, path: str) -> str:
    """The content of this file; raises BadSetting."""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        # Without its path: where a setting holds a secret itself by mistake, that is what would be quoted.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise BadSetting(f"{setting} names a file that can't be read: {reason}.") from error


def parse_number(text: str, shown: str, *, quoting: bool = True) -> int:
    """A whole number from 0 on; raises BadSetting otherwise, quoting the text or not."""
    try:
        number = int(text)
    except ValueError:
        raise BadSetting(f"{shown} must be a whole number{f', not {text!r}' if quoting else ''}.") from None
    if number < 0:
        raise BadSetting(f"{shown} must not be negative.")
    if number > _LARGEST:
        raise BadSetting(f"{shown} must be at most {_LARGEST}.")
    return number


def parse_bool(text: str, shown: str, *, quoting: bool = True) -> bool:
    """One of true/false/1/0/yes/no/on/off; raises BadSetting otherwise, quoting the text or not."""
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise BadSetting(f"{shown} must be true or false (or 1/0, yes/no, on/off){f', not {text!r}' if quoting else ''}.")


def parse_rate(text: str, shown: str) -> float:
    """``14/s``, ``600/m``, ``5000/h`` or ``1000/d`` as a number a second; raises BadSetting otherwise."""
    match = _RATE.fullmatch(text)
    if not match:
        raise BadSetting(
            f"{shown} must be a number a second, minute, hour or day, such as 14/s, 600/m, 5000/h or 1000/d."
        )
    rate = _per_second(match)
    if not LOWEST_RATE * 0.999 <= rate <= HIGHEST_RATE:
        raise BadSetting(f"{shown} must be from 1/d to 10000/s.")
    return rate


def parse_soft_bounces(text: str, shown: str) -> SoftBounceLimit | None:
    """``5/14d``, or None for ``off``; raises BadSetting otherwise."""
    try:
        return parse_soft_bounce_limit(text)
    except ValueError as error:
        raise BadSetting(f"{shown} {error}.") from None


def stored_rate(text: str) -> float | None:
    """A stored rate, within the bounds that older versions did not check; None if it is not a rate."""
    match = _RATE.fullmatch(text)
    return min(HIGHEST_RATE, max(LOWEST_RATE, _per_second(match))) if match else None


_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)/(s|m|h|d)")


def _per_second(match: re.Match[str]) -> float:
    return float(match[1]) / {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
