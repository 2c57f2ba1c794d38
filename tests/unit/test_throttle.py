"""How fast a lane is, and so how much it claims ahead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc.delivery.throttle import FORGET_SECONDS, MANY, MEASURE_SECONDS, Pace, Speed


def test_small_first_claims_measure_the_speed_of_a_lane() -> None:
    """It waited much longer for them than it took."""
    speed = Speed()
    for start in (10.0, 10.3):
        speed.begin(start)
        speed.did(MANY)
        speed.end(start + 0.02)
    speed.measure(10.6)

    assert round(speed.per_second) == MANY * 50


def test_a_slow_relay_is_not_fast_when_its_replies_come_together() -> None:
    """Four connections, half a second a mail."""
    speed, seen = Speed(), []
    for turn in range(10):
        speed.begin(turn * 0.5)
        for n in range(4):
            at = turn * 0.5 + 0.5 + n / 1e6
            speed.did(1)
            speed.measure(at)
        speed.end(at)
        seen.append(speed.per_second)

    assert max(seen) < 9
    assert round(seen[-1]) == 8


def test_a_lane_that_gets_nothing_done_is_slow() -> None:
    speed = Speed()
    speed.begin(0.0)
    speed.did(100)
    speed.measure(0.1)
    assert round(speed.per_second) == 1000

    speed.measure(0.2)
    assert round(speed.per_second) == 1000, "too early to tell"
    speed.measure(0.1 + 2 * MEASURE_SECONDS)
    assert speed.per_second == 0


def test_a_speed_is_forgotten_after_a_while() -> None:
    """The relay may have become another since."""
    speed = Speed()
    speed.begin(0.0)
    speed.did(100)
    speed.end(0.1)
    speed.measure(0.1)
    assert speed.per_second > 0

    speed.begin(0.2 + FORGET_SECONDS)
    assert speed.per_second == 0


@given(st.lists(st.tuples(st.integers(1, 200), st.floats(0.001, 10), st.floats(0, 50)), min_size=1, max_size=30))
def test_a_speed_lies_between_the_least_and_the_most_of_the_stints(stints: list[tuple[int, float, float]]) -> None:
    """Whatever the gaps between them."""
    speed, now = Speed(), 0.0
    for count, took, gap in stints:
        speed.begin(now)
        speed.did(count)
        speed.end(now + took)
        now += took + gap
        speed.measure(now)

    rates = [count / took for count, took, _ in stints]
    assert speed.per_second == 0 or min(rates) * 0.99 <= speed.per_second <= max(rates) * 1.01


def test_the_rate_is_halved_after_a_rate_limit_reply() -> None:
    """Of what it got when it said so; what it says in the same moment is the same sign."""
    pace = Pace()
    pace.slow_down(100.0, seen=40.0)
    pace.slow_down(100.1, seen=40.0)

    assert pace.allowance(100.0) == 0
    assert pace.wait(100.0) == pytest.approx(1 / 20)


def test_the_rate_is_halved_again_but_never_reaches_zero() -> None:
    """A daily quota is asked for once a minute."""
    pace = Pace()
    for n in range(40):
        pace.slow_down(100.0 + 10 * n, seen=40.0)

    assert pace.wait(490.0) == pytest.approx(60)


def test_the_rate_recovers_without_rate_limit_replies() -> None:
    """Double every minute, up to what is set, or until it is no limit any more."""
    free, limited = Pace(), Pace()
    limited.set_rate(20.0)
    for pace in (free, limited):
        pace.slow_down(100.0, seen=20.0)

    assert [pace.allowance(100.0 + 59) for pace in (free, limited)] == [1, 1]
    assert free.allowance(100.0 + 60 * 12) is None
    limited.take(2, 1000.0)
    assert limited.wait(1000.0) == pytest.approx(1 / 20)


def test_a_relays_own_rate_is_not_exceeded_by_slowing_down() -> None:
    """Half of the rate that is set, where that was the cause of what was seen."""
    pace = Pace()
    pace.set_rate(4.0)
    pace.slow_down(100.0, seen=400.0)

    assert pace.wait(100.0) == pytest.approx(0.5)
