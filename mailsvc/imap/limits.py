"""How much a server may send."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes. What is over a limit ends the session with ResponseTooLarge, before memory is taken for it."""

    line: int = 1024 * 1024
    literal: int = 64 * 1024  # where no size was asked for; a part of a message may have what was asked for
    response: int = 4 * 1024 * 1024  # all that comes until a command is answered, besides the part asked for
