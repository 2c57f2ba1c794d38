"""Sends a request until it is answered or its budget is used up."""

import sys
import time
from collections.abc import Mapping
from itertools import count

from mailsvc_sdk._errors import APIError, Conflict, NotFound, TransportError
from mailsvc_sdk._exchange import Exchange, Operation, Pause, Request, Response
from mailsvc_sdk._options import Options, Retry, Timeouts
from mailsvc_sdk._problems import error_of
from mailsvc_sdk._version import __version__

__all__ = ["USER_AGENT", "call", "is_temporary", "jittered"]

USER_AGENT = f"mailsvc-sdk/{__version__} python/{sys.version_info.major}.{sys.version_info.minor}"

_TEMPORARY = frozenset({408, 429, 500, 502, 503, 504})
_NOTHING_STORED = frozenset({429, 503})


def call(options: Options, request: Request) -> Operation[Response]:
    """Return the response of a request. Raises APIError, TransportError."""
    started = time.monotonic()
    exchange = _exchange(options, request)
    for attempt in count(1):
        answer = yield exchange
        error = _failure(request, answer, attempt)
        if error is None:
            assert isinstance(answer, Response)
            return answer
        wait = _wait(options.retry, attempt, error) if _may_repeat(request, error) else None
        if wait is None or time.monotonic() + wait - started > options.retry.seconds:
            raise error
        yield Pause(wait)
    raise AssertionError


def _exchange(options: Options, request: Request) -> Exchange:
    return Exchange(request, options.url + request.path, _headers(options, request), _patient(options, request))


def _headers(options: Options, request: Request) -> Mapping[str, str]:
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **options.headers, **request.headers}
    if options.api_key.value:
        headers["Authorization"] = options.api_key.authorization()
    if request.idempotency_key is not None:
        headers["Idempotency-Key"] = request.idempotency_key
    return headers


def _patient(options: Options, request: Request) -> Timeouts:
    times = options.timeouts
    if not request.held_for or times.read is None:
        return times
    return Timeouts(times.connect, times.read + request.held_for, times.write, times.pool)


def _failure(
    request: Request, answer: Response | TransportError | None, attempt: int
) -> APIError | TransportError | None:
    if isinstance(answer, TransportError):
        return answer.after(attempt, request.idempotency_key)
    assert answer is not None
    if 200 <= answer.status < 300:
        return None
    error = error_of(request, answer)
    was_deleted = request.method == "DELETE" and attempt > 1 and isinstance(error, NotFound)
    return None if was_deleted else error


def _may_repeat(request: Request, error: APIError | TransportError) -> bool:
    if request.is_repeatable:
        return is_temporary(error)
    if isinstance(error, TransportError):
        return not error.sent
    return error.status in _NOTHING_STORED


def is_temporary(error: APIError | TransportError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, TransportError):
        return True
    in_flight = isinstance(error, Conflict) and error.code == "idempotency_in_flight"
    return in_flight or error.status in _TEMPORARY


def _wait(retry: Retry, attempt: int, error: APIError | TransportError) -> float | None:
    """Return how many seconds to wait before the next attempt; None: no more."""
    if attempt > retry.attempts:
        return None
    if isinstance(error, APIError) and error.retry_after is not None:
        return error.retry_after
    longest = min(retry.cap, retry.base * 2.0 ** min(attempt - 1, 60))
    return jittered(longest)


def jittered(seconds: float) -> float:
    """Return between a half and the whole, so that many clients don't come back at once."""
    import random  # noqa: PLC0415 - only where it is needed: the package is to be imported quickly

    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - not secret
