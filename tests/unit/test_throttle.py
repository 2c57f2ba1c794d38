"""How fast a lane is, and so how much it claims ahead."""

from hypothesis import given
from hypothesis import strategies as st

from mailsvc.delivery.throttle import Speed


def test_a_first_small_claim_shows_how_fast_a_lane_is() -> None:
    """It waited much longer for the next one than it took."""
    speed = Speed()
    speed.begin(10.0)
    speed.did(16)
    speed.end(10.01)
    speed.measure(10.3)

    assert round(speed.per_second) == 1600


def test_a_lane_that_gets_nothing_done_is_slow() -> None:
    speed = Speed()
    speed.begin(0.0)
    speed.did(100)
    speed.measure(0.1)
    assert round(speed.per_second) == 1000

    speed.measure(0.2)
    assert round(speed.per_second) == 1000, "too early to tell"
    speed.measure(0.4)
    assert speed.per_second == 0


@given(st.lists(st.tuples(st.integers(1, 200), st.floats(0.001, 10), st.floats(0, 1000)), min_size=1, max_size=20))
def test_a_speed_is_that_of_the_last_work_whatever_the_gaps(stints: list[tuple[int, float, float]]) -> None:
    speed, now = Speed(), 0.0
    for count, took, gap in stints:
        speed.begin(now)
        speed.did(count)
        speed.end(now + took)
        now += took + gap
        speed.measure(now)

    count, took, _ = stints[-1]
    assert abs(speed.per_second - count / took) < 0.01 * count / took
