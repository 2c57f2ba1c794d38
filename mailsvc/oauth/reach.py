"""How authorization servers may be reached."""

from dataclasses import dataclass

from mailsvc.domain.targets import TargetPolicy

__all__ = ["Reach"]


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached, and how.

    Attributes:
        ca_pem: certificates to trust beside the system's.
        targets: which addresses may be dialled.
        seconds: for a request and its answer together.
    """

    ca_pem: str | None = None
    targets: TargetPolicy = "any"
    seconds: float = 15.0
