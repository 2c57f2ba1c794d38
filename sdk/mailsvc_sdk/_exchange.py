"""What an operation and its driver exchange: requests, responses and pauses.

An operation is a generator without I/O. It yields steps; a driver carries each one out, blocking or awaiting, and sends the
result back in. So each operation is written once.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from mailsvc_sdk._errors import TransportError
from mailsvc_sdk._options import Timeouts

__all__ = ["Exchange", "Operation", "Pause", "Request", "Response", "Step"]

T = TypeVar("T")

SAFE_METHODS = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask the service.

    Args:
        path: below the service's URL, percent-encoded.
        held_for: seconds that the service may hold back its response (a long poll).
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    idempotency_key: str | None = None
    held_for: float = 0

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return self.idempotency_key is not None or self.method in SAFE_METHODS


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it came."""

    status: int
    headers: Mapping[str, str]  # names without case
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the decoded body. Raises ValueError if it is not JSON."""
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The step of sending a request once; its result is a Response or a TransportError."""

    request: Request
    url: str
    headers: Mapping[str, str] = field(repr=False)
    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class Pause:
    """The step of waiting; its result is None."""

    seconds: float


Step: TypeAlias = Exchange | Pause
Operation: TypeAlias = Generator[Step, Response | TransportError | None, T]
