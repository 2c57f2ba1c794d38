"""What a server offers: its answer to CAPA (RFC 2449 section 5)."""

from collections.abc import Iterable
from dataclasses import dataclass

from mailsvc.mailaccess.errors import readable

__all__ = ["Capabilities"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Answers hold until STLS or a login; ``None`` instead of this stands for a server without CAPA."""

    lines: tuple[str, ...]

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> "Capabilities":
        """Read the lines of the answer."""
        return cls(tuple(readable(line.strip()) for line in lines if line.strip()))

    def __contains__(self, capability: str) -> bool:
        return any(line.upper().split()[0] == capability for line in self.lines)

    @property
    def mechanisms(self) -> frozenset[str]:
        """The SASL mechanisms (RFC 5034 section 3), upper case."""
        offers = (line.upper().split() for line in self.lines)
        return frozenset(mechanism for keyword, *mechanisms in offers if keyword == "SASL" for mechanism in mechanisms)
