"""Prints for people: tables and ages, without characters that control a terminal."""

import json
from collections.abc import Sequence
from typing import Any

import click

from mailsvc import clock

__all__ = ["age", "as_json_line", "moment", "one_line", "plural", "table"]

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))
LONGEST_CELL = 70


def as_json_line(value: Any) -> None:
    """Print the value as one line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False))


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns under their headings; None is shown as a dash."""
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(headings))]
    for row in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def one_line(text: str) -> str:
    """Return the text without control characters: text from a mail server must not control the terminal."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def moment(text: str | None) -> str | None:
    """Return an RFC 3339 time of the API, to the second."""
    return f"{text.partition('.')[0].rstrip('Z')}Z" if text else None


def age(seconds: float) -> str:
    """Return a duration in words: ``90`` → ``1.5 min``."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def since(text: str) -> float:
    """Return the seconds from an RFC 3339 time to now; negative if it is in the future."""
    return (clock.now() - clock.parse_rfc3339(text)) / clock.SECOND


def plural(count: int, what: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 delivery``, ``2 deliveries``."""
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    text = one_line(str(value))
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
