"""What one measurement is, and how one that can't be made is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One scenario's result in one round.

    Names of values carry their unit: ``rate`` messages per second from the first submit to the last message in the
    sink, ``cpu`` CPU seconds per 1,000 messages, ``*_mb`` MiB, ``*_ms`` milliseconds, ``*_s`` seconds.
    """

    values: Mapping[str, float]
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """What a scenario is given: its size and a directory of its own that is removed afterwards."""

    messages: int
    directory: Path
    quick: bool = False  # for trying the harness: small side figures too


class Skipped(Exception):  # noqa: N818 - an answer, not an error
    """The scenario can't be measured here and now; the message says why."""


class Invalid(Exception):  # noqa: N818 - says what the figure is
    """The scenario ran, but what arrived is not what was submitted: there is no figure."""
