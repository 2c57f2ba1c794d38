"""The problems that the fake answers with (RFC 9457)."""

import json
from typing import Any

from mailsvc_sdk._exchange import Response

__all__ = ["Problem", "answer", "invalid"]


class Problem(Exception):
    """A request is refused.

    Args:
        errors: field and detail of each mistake.
    """

    def __init__(self, status: int, code: str, detail: str, errors: list[tuple[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.errors = status, code, errors or []

    def document(self) -> dict[str, Any]:
        """Return the problem as JSON."""
        found = {"type": "about:blank", "title": self.code.replace("_", " "), "status": self.status, "code": self.code}
        listed = [{"field": field, "detail": detail} for field, detail in self.errors]
        return found | {"detail": str(self), "request_id": "req_fake"} | ({"errors": listed} if listed else {})


def invalid(*errors: tuple[str, str]) -> Problem:
    """Return the problem of input that is not valid."""
    return Problem(422, "validation_failed", "; ".join(f"{field}: {detail}" for field, detail in errors), list(errors))


def answer(
    status: int,
    document: Any = None,
    *,
    content: bytes | None = None,
    retry_after: float | None = None,
    replayed: bool = False,
) -> Response:
    """Return a response."""
    body = content if content is not None else b"" if document is None else json.dumps(document).encode()
    headers = {"X-Request-Id": "req_fake"}
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}"
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(status, headers, body)
