"""Reads the Date of an arrived mail (RFC 5322 section 3.3, with the obsolete forms). Never raises."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from mailsvc import clock

__all__ = ["parse_date"]

_MAX_DATE = 200  # characters
_EPOCH = clock.as_datetime(0)


def parse_date(value: str) -> int | None:
    """Return the instant in microseconds since the epoch, None if it can't be read. No or an unknown zone counts as UTC."""
    try:
        parsed = parsedate_tz(value[:_MAX_DATE])
        if parsed is None:
            return None
        year, month, day, hour, minute, second, *_, offset = parsed
        zone = timezone(timedelta(seconds=offset or 0))
        # A leap second (RFC 5322 section 3.3) has no form of its own.
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
        moment.astimezone(UTC)  # it may lie outside of the years that exist there
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError, IndexError, OverflowError):  # what the standard library raises for damaged dates
        return None
