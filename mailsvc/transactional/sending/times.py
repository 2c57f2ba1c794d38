"""Times as people have them, turned into what the API takes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

__all__ = ["Seconds", "When", "forbid_relative", "instant", "seconds"]

When: TypeAlias = datetime | timedelta | str
Seconds: TypeAlias = int | timedelta


def instant(value: When) -> str:
    """Return an instant in RFC 3339; a timedelta counts from now.

    Raises ValueError for a datetime without time zone, and for anything that says no instant.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, timedelta):
        value = datetime.now(UTC) + value
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone: give an aware datetime, a timedelta or an RFC 3339 string")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def seconds(value: Seconds) -> int:
    """Return whole seconds."""
    return int(value.total_seconds()) if isinstance(value, timedelta) else value


def forbid_relative(fields: Mapping[str, object], idempotency_key: str | None) -> None:
    """Raise ValueError for a time from now under a key of the caller's: a repetition would be another request."""
    if idempotency_key is not None and isinstance(fields.get("scheduled_at"), timedelta):
        raise ValueError(
            "scheduled_at must be a datetime where idempotency_key is given: a timedelta differs each time"
        )
