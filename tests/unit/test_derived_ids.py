"""The ids of the deliveries of a message whose id the application chose."""

from hypothesis import given
from hypothesis import strategies as st

from mailsvc.domain.ids import delivery_id, is_id, new_id


@given(st.integers(0, 10_000))
def test_they_have_the_form_of_ids_and_the_time_of_their_message(place: int) -> None:
    id_ = new_id("msg")
    derived = delivery_id(id_, place)
    assert is_id(derived, "dlv")
    assert derived[4:14] == id_[4:14]


def test_they_are_the_same_in_every_process_and_differ_by_message_and_place() -> None:
    first, second = "msg_01m8j6059ba46550b82a2b2039", "msg_01m8j6059ba46550b82a2b203a"
    assert delivery_id(first, 0) == "dlv_01m8j6059b0005bp9bc8anm7d9"
    assert len({delivery_id(id_, place) for id_ in (first, second) for place in range(1000)}) == 2000


def test_deliveries_ascend_with_their_places() -> None:
    ids = [delivery_id("msg_01m8j6059ba46550b82a2b2039", place) for place in range(1000)]
    assert ids == sorted(ids)
