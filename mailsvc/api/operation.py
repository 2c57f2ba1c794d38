"""What a view takes and answers, written beside it; the OpenAPI document is made from these and the routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Operation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API.

    Args:
        summary: what it does, one sentence.
        request: the type of the JSON body, None where it takes none.
        answer: the type of the JSON answer; None with another ``media``, or for an empty one.
        status: of the answer when it went well.
        query: its parameters in the URL, each with a sentence.
        media: of the answer.
        also_takes: other media types of the body, with their schemas.
        also_answers: other statuses that are no problems, with the types of their JSON.
        problems: the statuses of its problems where it needs no key; those of the others follow from the method and path.
        is_idempotent: it takes an Idempotency-Key.
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
