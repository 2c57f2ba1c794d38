"""The times at which a deferred delivery, or a relay that is backing off, is tried again.

The waits are tenacity's strategies; the result is stored in a row and survives the process.
"""

from datetime import timedelta

from tenacity import RetryCallState, Retrying, wait_chain, wait_fixed
from tenacity.wait import wait_base, wait_exponential

from mailsvc import clock

_DELIVERY = wait_chain(*[wait_fixed(timedelta(seconds=s)) for s in (30, 120, 480, 1800, 3600, 7200, 14400)])
_RELAY = wait_exponential(multiplier=5, max=300)
_CALLBACK = wait_exponential(multiplier=1, max=300)

JITTER = 0.2  # ± a fifth, so that deliveries that failed together are not retried together

FAILURES_TO_OPEN = 3  # failed sessions in a row before a relay is not used


def _wait(strategy: wait_base, attempt: int) -> float:
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    return strategy(state)


def next_attempt(attempts: int, *, now: int, chance: float) -> int:
    """When a delivery that failed ``attempts`` times (≥ 1) is due again; ``chance`` in [0, 1) spreads it."""
    return now + int(_wait(_DELIVERY, attempts) * _spread(chance) * clock.SECOND)


def relay_retry(failures: int, *, now: int, chance: float) -> int:
    """The time of a relay's next try after this many failures since its breaker opened (≥ 1): 5 s doubling to 5 min."""
    return now + int(_wait(_RELAY, failures) * _spread(chance) * clock.SECOND)


def callback_retry(tries: int, *, now: int, chance: float) -> int:
    """When a handler is called again with an event that it failed at so often (≥ 1): after 1 s doubling to 5 min."""
    return now + int(_wait(_CALLBACK, tries) * _spread(chance) * clock.SECOND)


def _spread(chance: float) -> float:
    return 1 + JITTER * (2 * chance - 1)
