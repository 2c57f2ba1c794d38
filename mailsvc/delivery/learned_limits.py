"""Limits that a relay was found to have, whatever it advertises; forgotten after a day."""

import msgspec

from mailsvc import clock
from mailsvc.domain.relay import Relay

__all__ = ["LearnedLimits", "learned_limits_of"]

VALID = clock.DAY


class LearnedLimits(msgspec.Struct, frozen=True):
    """Stored as JSON in the relay's row."""

    at: int = 0
    max_recipients: int | None = None  # per transaction
    loses_groups: bool = False  # drops commands that are sent in one piece

    def fewer(self, most: int, *, now: int) -> "LearnedLimits":
        """With a limit of recipients per transaction."""
        known = self.max_recipients or most
        return LearnedLimits(now, max(1, min(most, known)), self.loses_groups)

    def one_by_one(self, *, now: int) -> "LearnedLimits":
        """With commands sent one at a time, because it loses commands sent together."""
        return LearnedLimits(now, self.max_recipients, loses_groups=True)

    def most_of(self, relay: Relay) -> int:
        """How many recipients go in one transaction."""
        return min(relay.max_recipients, self.max_recipients or relay.max_recipients)

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()


def learned_limits_of(text: str | None, *, now: int) -> LearnedLimits:
    """The limits in a row's ``learnt`` that have not expired."""
    try:
        known = msgspec.json.decode(text or "{}", type=LearnedLimits)
    except msgspec.MsgspecError:
        return LearnedLimits()
    return known if now - known.at < VALID else LearnedLimits()
