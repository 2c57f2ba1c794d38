"""The request and response of a view, written next to it; the OpenAPI document is generated from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Operation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API.

    Args:
        summary: what it does, one sentence.
        request: the type of the JSON body, None without one.
        answer: the type of the JSON response; None with another ``media``, or for an empty one.
        status: the status of a successful response.
        query: the parameters in the URL, each with a sentence.
        media: the media type of the response.
        also_takes: other media types of the body, with their schemas.
        also_answers: other statuses that are no problems, with the types of their JSON.
        problems: the statuses of its problems; if it needs a key, beside those that follow from the method and path.
        is_idempotent: it accepts an Idempotency-Key.
    """

    summary: str
    request: Any = None
    answer: Any = None
    status: int = 200
    query: Mapping[str, str] = field(default_factory=dict)
    media: str = "application/json"
    also_takes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    also_answers: Mapping[int, Any] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    is_idempotent: bool = False
