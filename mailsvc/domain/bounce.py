"""Why a message will not arrive, in the public taxonomy (see docs/bounces.md)."""

import re
from typing import Any

import msgspec

from mailsvc import clock

__all__ = ["USUAL_LIMIT", "Bounce", "SoftBounceLimit", "parse_soft_bounce_limit"]

_LIMIT = re.compile(r"([1-9]\d{0,3})/([1-9]\d{0,3})d")


class Bounce(msgspec.Struct, frozen=True, gc=False):
    """A bounce of one recipient; its fields are those of the contract, ``recipient`` aside."""

    type: str  # hard | soft
    reason: str
    source: str  # smtp | dsn | heuristic
    enhanced_code: str | None = None  # RFC 3463
    code: int | None = None  # of the SMTP reply
    diagnostic: str | None = None  # the server's words
    remote_mta: str | None = None  # RFC 3464 section 2.3.5
    reporting_mta: str | None = None  # RFC 3464 section 2.2.2

    def shown(self, recipient: str | None) -> dict[str, Any]:
        """Return the bounce as events and findings show it."""
        return {**msgspec.structs.asdict(self), "recipient": recipient}


class SoftBounceLimit(msgspec.Struct, frozen=True, gc=False):
    """So many bounces within this time because of a full mailbox stop mail to an address."""

    count: int
    within: int  # microseconds


USUAL_LIMIT = SoftBounceLimit(5, 14 * clock.DAY)


def parse_soft_bounce_limit(text: str) -> SoftBounceLimit | None:
    """Read ``5/14d``; ``off`` gives None. Raises ValueError."""
    if text.lower() == "off":
        return None
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise ValueError("must be such as 5/14d (five within 14 days) or off")
    return SoftBounceLimit(int(match[1]), int(match[2]) * clock.DAY)
