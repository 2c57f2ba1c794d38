"""Identifiers: unique in every thread and process, ascending where one thread makes them."""

import multiprocessing
import threading

import pytest

from mailsvc import clock
from mailsvc.domain.ids import _LOW_BITS, _Sequence, is_id, new_id

MANY = 20_000
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32


def test_one_thread_makes_ascending_ids() -> None:
    """Rows are appended to their index, not scattered over it."""
    made = [new_id("msg") for _ in range(MANY)]

    assert made == sorted(made)
    assert len(set(made)) == MANY
    assert all(is_id(id_, "msg") for id_ in made[:100])


def number(ulid: str) -> int:
    """What the 26 digits say."""
    value = 0
    for digit in ulid:
        value = value * 32 + DIGITS.index(digit)
    return value


def test_an_identifier_begins_with_its_time() -> None:
    """48 bits of milliseconds, as in any ULID; however many are made, they do not run ahead."""
    before = clock.now() // 1000
    made = [new_id("msg").removeprefix("msg_") for _ in range(MANY)]
    after = clock.now() // 1000

    assert before <= number(made[-1]) >> 80 <= after


def test_within_a_millisecond_the_last_digits_count_up() -> None:
    """All of them, so that none is made twice."""
    sequence = _Sequence()
    made = [number(sequence.next()) for _ in range(MANY)]
    steps = {b - a for a, b in zip(made, made[1:], strict=False) if a >> 80 == b >> 80}

    assert steps == {1}


@pytest.mark.parametrize("bits", [10, 20, 30])
def test_a_count_is_carried_to_the_next_digits(bits: int) -> None:
    sequence = _Sequence()
    sequence.next()
    sequence._ms += 1000  # no new millisecond begins meanwhile
    sequence._low = (1 << bits) - 2
    before, after = number(sequence.next()), number(sequence.next())

    assert (after - before, after & ((1 << _LOW_BITS) - 1)) == (1, 1 << bits)


def test_a_used_up_count_goes_on_in_the_next_millisecond() -> None:
    """Ahead of the clock rather than back."""
    sequence = _Sequence()
    first = number(sequence.next())
    sequence._ms += 1000  # the clock was set back
    sequence._low = (1 << _LOW_BITS) - 2
    last, first_of_next = number(sequence.next()), number(sequence.next())

    assert first_of_next >> 80 == (first >> 80) + 1001
    assert last & ((1 << _LOW_BITS) - 1) == (1 << _LOW_BITS) - 1
    assert last < first_of_next


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("msg_01arz3ndektsv4rrffq69g5fav", True),
        ("dlv_01arz3ndektsv4rrffq69g5fav", False),
        ("msg_01arz3ndektsv4rrffq69g5fa", False),
        ("msg_01arz3ndektsv4rrffq69g5fav0", False),
        ("msg_01ARZ3NDEKTSV4RRFFQ69G5FAV", False),
        ("msg_01arz3ndektsv4rrffq69g5fau", False),  # u is no digit of Crockford's
        ("msg01arz3ndektsv4rrffq69g5fav", False),
        ("msg_", False),
        ("", False),
    ],
)
def test_the_form_of_an_identifier(text: str, is_one: bool) -> None:
    """What has another one is looked up nowhere."""
    assert is_id(text, "msg") == is_one


def test_threads_and_forked_processes_never_make_the_same() -> None:
    """Nobody goes on with somebody else's numbers."""
    made: list[str] = [new_id("msg")]
    threads = [threading.Thread(target=lambda: made.extend(new_id("msg") for _ in range(MANY))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with multiprocessing.get_context("fork").Pool(4) as pool:
        made += [id_ for part in pool.map(_some, [MANY] * 4, chunksize=1) for id_ in part]

    assert len(set(made)) == len(made) == 8 * MANY + 1


def _some(count: int) -> list[str]:
    return [new_id("msg") for _ in range(count)]
