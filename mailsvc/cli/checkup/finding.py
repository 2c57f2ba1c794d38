"""A finding: the check, its result, and what to do if something is wrong."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "problem", "warning", "well"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``todo`` is empty if all is well."""

    check: str
    level: Literal["ok", "warning", "problem"]
    said: str
    todo: str = ""


def well(check: str, said: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, "ok", said)


def warning(check: str, said: str, todo: str) -> Finding:
    """It works, but needs attention."""
    return Finding(check, "warning", said, todo)


def problem(check: str, said: str, todo: str) -> Finding:
    """Mail is not sent, not stored safely, or not reported."""
    return Finding(check, "problem", said, todo)
