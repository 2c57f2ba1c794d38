"""When a failed post is repeated: the schedule of Standard Webhooks, as a tenacity strategy."""

from tenacity import RetryCallState, Retrying, wait_chain, wait_fixed

from mailsvc import clock

__all__ = ["next_attempt"]

_MINUTES, _HOURS = 60, 3600
WAITS = (5, 5 * _MINUTES, 30 * _MINUTES, *(h * _HOURS for h in (2, 5, 10, 14, 20, 24)))
JITTER = 0.1

_STRATEGY = wait_chain(*[wait_fixed(seconds) for seconds in WAITS])


def next_attempt(attempt: int, *, now: int, chance: float, retry_after: float | None) -> int | None:
    """When the attempt after the ``attempt``-th (≥ 1) is due; None if none is left.

    Args:
        chance: in [0, 1), spreads what failed together.
        retry_after: seconds that the endpoint asked for; never shortens the wait.
    """
    if attempt > len(WAITS):
        return None
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    seconds = _STRATEGY(state) * (1 + JITTER * (2 * chance - 1))
    return now + int(max(seconds, min(retry_after or 0, 24 * _HOURS)) * clock.SECOND)
