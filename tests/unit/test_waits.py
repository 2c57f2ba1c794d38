"""How long everything waits before it is tried again: deliveries, relays, webhooks."""

import pytest

from mailsvc import clock
from mailsvc.domain import backoff
from mailsvc.webhooks import schedule

MIDDLE = 0.5  # neither earlier nor later


def seconds(due_at: int | None) -> float:
    assert due_at is not None
    return due_at / clock.SECOND


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [(1, 30), (2, 120), (3, 480), (4, 1800), (5, 3600), (6, 7200), (7, 14400), (8, 14400), (50, 14400)],
)
def test_a_delivery_waits_longer_after_each_attempt(attempts: int, wait: int) -> None:
    """30 s, 2 min, 8 min, 30 min, 1 h, 2 h, then every 4 h."""
    assert seconds(backoff.next_attempt(attempts, now=0, chance=MIDDLE)) == wait


@pytest.mark.parametrize(("failures", "wait"), [(1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (60, 300)])
def test_a_relay_waits_twice_as_long_after_each_failure(failures: int, wait: int) -> None:
    """5 s doubling to 5 min."""
    assert seconds(backoff.relay_retry(failures, now=0, chance=MIDDLE)) == wait


@pytest.mark.parametrize(
    ("attempt", "wait"),
    [(1, 5), (2, 300), (3, 1800), (4, 7200), (5, 18000), (6, 36000), (7, 50400), (8, 72000), (9, 86400)],
)
def test_a_webhook_follows_the_schedule_of_standard_webhooks(attempt: int, wait: int) -> None:
    """5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""
    assert seconds(schedule.next_attempt(attempt, now=0, chance=MIDDLE, retry_after=None)) == wait


def test_a_webhook_has_ten_attempts() -> None:
    assert schedule.next_attempt(10, now=0, chance=MIDDLE, retry_after=None) is None


@pytest.mark.parametrize(("asked", "wait"), [(1, 5), (60, 60), (10**9, 86400)])
def test_an_endpoint_may_ask_for_a_longer_wait(asked: float, wait: int) -> None:
    """Never for a shorter one, and for a day at most."""
    assert seconds(schedule.next_attempt(1, now=0, chance=MIDDLE, retry_after=asked)) == wait


def test_jitter_spreads_simultaneous_failures() -> None:
    """By a fifth, of webhooks by a tenth."""
    spread = [
        [seconds(wait) for chance in (0.0, 0.999999) if (wait := rule(chance)) is not None]
        for rule in (
            lambda chance: backoff.next_attempt(2, now=0, chance=chance),
            lambda chance: backoff.relay_retry(3, now=0, chance=chance),
            lambda chance: schedule.next_attempt(2, now=0, chance=chance, retry_after=None),
        )
    ]

    assert [[round(s) for s in pair] for pair in spread] == [[96, 144], [16, 24], [270, 330]]
