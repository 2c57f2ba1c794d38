"""Identifiers: unique in every thread and process, ascending where one thread makes them."""

import multiprocessing
import threading

import pytest

from mailsvc.domain.ids import is_id, new_id

MANY = 20_000


def test_one_thread_makes_ascending_ids() -> None:
    """Rows are appended to their index, not scattered over it."""
    made = [new_id("msg") for _ in range(MANY)]

    assert made == sorted(made)
    assert len(set(made)) == MANY
    assert all(is_id(id_, "msg") for id_ in made[:100])


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
