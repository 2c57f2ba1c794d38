"""What a relay was found to be unable to do, whatever it offers; found out again after a day, in case it can by then."""

import msgspec

from mailsvc import clock
from mailsvc.domain.relay import Relay

__all__ = ["Learnt", "learnt_of"]

VALID = clock.DAY


class Learnt(msgspec.Struct, frozen=True):
    """Kept with the relay's row as JSON."""

    at: int = 0
    max_recipients: int | None = None  # of one transaction
    loses_groups: bool = False  # of commands that come in one piece

    def fewer(self, most: int, *, now: int) -> "Learnt":
        """It takes at most so many recipients at once."""
        known = self.max_recipients or most
        return Learnt(now, max(1, min(most, known)), self.loses_groups)

    def one_by_one(self, *, now: int) -> "Learnt":
        """It loses commands that come together."""
        return Learnt(now, self.max_recipients, loses_groups=True)

    def most_of(self, relay: Relay) -> int:
        """How many recipients go in one transaction."""
        return min(relay.max_recipients, self.max_recipients or relay.max_recipients)

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()


def learnt_of(text: str | None, *, now: int) -> Learnt:
    """What is still true of a row's ``learnt``."""
    try:
        known = msgspec.json.decode(text or "{}", type=Learnt)
    except msgspec.MsgspecError:
        return Learnt()
    return known if now - known.at < VALID else Learnt()
