"""What can be wrong with a request: status and code are the public contract."""

import pytest

from mailsvc.domain import errors
from mailsvc.domain.errors import Conflict, FieldError, Invalid, Problem, TooLarge


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.Problem,          500, "internal"),
        (errors.Malformed,        400, "invalid_request"),
        (errors.Unauthorized,     401, "unauthorized"),
        (errors.Forbidden,        403, "insufficient_scope"),
        (errors.NotFound,         404, "not_found"),
        (errors.Conflict,         409, "conflict"),
        (errors.TooLarge,         413, "payload_too_large"),
        (errors.UnsupportedMedia, 415, "unsupported_media_type"),
        (errors.RateLimited,      429, "rate_limited"),
        (errors.Unavailable,      503, "unavailable"),
    ],
)  # fmt: skip
def test_a_problem_is_answered_by_its_status_and_code(kind: type[Problem], status: int, code: str) -> None:
    problem = kind("not now", retry_after=7)

    assert (problem.status, problem.code, problem.errors) == (status, code, [])
    assert (problem.detail, str(problem), problem.retry_after) == ("not now", "not now", 7)


def test_a_code_may_say_more_than_its_class() -> None:
    conflict = Conflict("another request has the key", code="idempotency_in_flight")

    assert (conflict.status, conflict.code, conflict.retry_after) == (409, "idempotency_in_flight", None)


def test_invalid_input_names_each_field() -> None:
    """One that belongs to no field stands alone."""
    given = [FieldError("to.0", "is empty"), FieldError("", "is no object")]
    invalid = Invalid(*given)

    assert (invalid.status, invalid.code, invalid.errors) == (422, "validation_failed", given)
    assert invalid.detail == "to.0: is empty; is no object"
    assert Invalid(code="other").code == "other"


def test_a_request_that_is_too_large_names_the_setting() -> None:
    assert "larger than 10 bytes (MAILSVC_MAX_REQUEST_BYTES)" in TooLarge.request(10).detail
