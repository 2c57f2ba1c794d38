"""A finding: what was looked at, whether it is well, and what to do if not."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "problem", "warning", "well"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``todo`` is empty where all is well."""

    check: str
    level: Literal["ok", "warning", "problem"]
    said: str
    todo: str = ""


def well(check: str, said: str) -> Finding:
    """All is as it should be."""
    return Finding(check, "ok", said)


def warning(check: str, said: str, todo: str) -> Finding:
    """It works, but somebody should know."""
    return Finding(check, "warning", said, todo)


def problem(check: str, said: str, todo: str) -> Finding:
    """Mail is not sent, not kept safely, or not told of."""
    return Finding(check, "problem", said, todo)
