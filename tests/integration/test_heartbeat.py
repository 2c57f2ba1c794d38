"""Who takes part in sending: shares of a relay's limit, which together never exceed it."""

from typing import Any

import pytest
from sqlalchemy import select, update

from mailsvc import clock
from mailsvc.runtime.heartbeat import BEAT_SECONDS, LIVES_FOR, Heartbeat
from mailsvc.store.database import Database
from mailsvc.store.tables import worker


class Clock:
    """Stands still between steps."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def ticks() -> Clock:
    return Clock()


@pytest.fixture
def join(database: Database, ticks: Clock) -> Any:
    """Make a worker that has joined."""

    def join(*roles: str) -> Heartbeat:
        joined = Heartbeat(database, roles or ("deliver",), monotonic=ticks)
        joined.join()
        return joined

    return join


def last_seen(database: Database, who: Heartbeat, seen_at: int) -> None:
    with database.write() as connection:
        connection.execute(update(worker).where(worker.c.id == who.id).values(seen_at=seen_at))


def known(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(worker.c.id)).scalars())


def test_a_lone_worker_takes_the_whole_limit_at_once(join: Any) -> None:
    """There is nobody who could be using it."""
    assert join().share(5) == 5


def test_a_joining_worker_takes_no_share_for_two_beats(join: Any, ticks: Clock) -> None:
    """By then every other has looked around at least once and has cut its own share."""
    join()
    second = join()
    ticks.seconds += 2 * BEAT_SECONDS - 0.01
    early = second.share(5)
    ticks.seconds += 0.01

    assert (early, second.share(5) > 0) == (0, True)


@pytest.mark.parametrize(("limit", "shares"), [(6, [2, 2, 2]), (5, [1, 2, 2]), (2, [0, 1, 1]), (0, [0, 0, 0])])
def test_the_shares_of_all_workers_are_the_limit(join: Any, ticks: Clock, limit: int, shares: list[int]) -> None:
    """What can't be divided goes to the first ones of the order that all of them see."""
    workers = [join() for _ in range(3)]
    ticks.seconds += 2 * BEAT_SECONDS
    for each in workers:
        each.beat()

    assert sorted(each.share(limit) for each in workers) == shares


def test_a_process_that_does_not_deliver_has_no_share(join: Any, ticks: Clock) -> None:
    """The process that posts webhooks has a row as well."""
    join("notify")

    assert join("upkeep", "deliver").share(5) == 5


def test_a_worker_that_vanished_is_forgotten(join: Any, database: Database, ticks: Clock) -> None:
    """After 15 seconds without a beat the others share its part."""
    first, vanished = join(), join()
    first.beat()
    half = first.share(4)
    last_seen(database, vanished, database.now() - LIVES_FOR - clock.SECOND)
    first.beat()

    assert (half, first.share(4), known(database)) == (2, 4, {first.id})


def test_a_worker_that_was_given_up_joins_again(join: Any, database: Database, ticks: Clock) -> None:
    """It was frozen, or cut off; the others have taken its share meanwhile, so that it waits as a new one does."""
    first, back = join(), join()
    ticks.seconds += 100
    first.forget(back.id)
    back.beat()
    at_once = back.share(4)
    ticks.seconds += 2 * BEAT_SECONDS

    assert (at_once, back.share(4), known(database)) == (0, 2, {first.id, back.id})


def test_a_worker_that_leaves_gives_its_share_back_at_once(join: Any, database: Database) -> None:
    first, second = join(), join()
    first.beat()
    second.leave()
    first.beat()

    assert (first.share(4), known(database)) == (4, {first.id})
