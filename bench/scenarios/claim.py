"""What a claim costs with 10 million finished deliveries against none, and with 10,000 relays against one.

The only scenario that calls mailsvc's own functions: the same that a worker calls, over tables filled by hand. A turn is
what the worker does: look which relays have work, claim 100 deliveries in one durable transaction. The claimed ones are
marked as sent in between, outside the time that is measured. The three queues take turns, each in a database of its own,
so that whatever else the machine does meets all of them.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import text

from bench.figure import Figure, Invalid, Run
from bench.postgres import cluster, run_alone
from mailsvc.store.database import Database
from mailsvc.store.leases import DELIVERIES, Quota, claim, due_lanes
from mailsvc.store.migrate import upgrade

_FINISHED, _QUICK_FINISHED = 10_000_000, 100_000
_ONE, _MANY = 100_000, 10_000  # deliveries of one relay; relays with ten each
_TURN = 100  # deliveries claimed in a turn
_TURNS, _QUICK_TURNS, _WARM = 300, 50, 5
_CHUNK = 500_000
_LEASE = 60_000_000  # microseconds

_NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last) ",
    "postgresql": "WITH numbers(n) AS (SELECT generate_series(CAST(:first AS bigint), CAST(:last AS bigint))) ",
}
_INSERT = (
    "INSERT INTO mailsvc_delivery (id, message_id, app_id, relay_id, recipient, kind, status, due_at, expires_at, "
    "attempts, lease_token, uncertain, created_at, updated_at) "
)
_SELECT = (
    "SELECT '{prefix}' || (1000000000 + n), 'msg_{prefix}' || (1000000000 + n), 'app_1', "
    "'rly_' || (1000000 + n % :relays), 'customer' || n || '@example.test', 'to', {state}, 0, 0, {false}, n, n "
    "FROM numbers"
)
_WAITING, _DONE = "'queued', n, 9000000000000000", "'sent', NULL, NULL"
_SETTLE = text("UPDATE mailsvc_delivery SET status = 'sent', due_at = NULL, expires_at = NULL WHERE id = :id")


@dataclass(frozen=True, slots=True)
class _Size:
    finished: int
    turns: int
    one: int
    many: int


def sqlite(run: Run) -> Figure:
    """On embedded SQLite."""
    return _measure(run, lambda name: Database(f"sqlite:///{run.directory / name}.db"))


def postgresql(run: Run) -> Figure:
    """On PostgreSQL."""
    with cluster(run.directory) as server:
        return _measure(run, lambda name: Database(server.create_database(name)))


def _measure(run: Run, make: Callable[[str], Database]) -> Figure:
    size = _Size(_FINISHED, _TURNS, _ONE, _MANY)
    if run.quick:
        size = _Size(_QUICK_FINISHED, _QUICK_TURNS, _ONE // 10, _MANY // 10)
    with contextlib.ExitStack() as stack:

        def queue(name: str, *, relays: int = 1, finished: int = 0) -> Iterator[float]:
            database = make(name)
            stack.callback(database.close)
            _prepare(database, size.one, relays=relays, finished=finished)
            return _turns(database, relays)

        queues = (queue("alone"), queue("relays", relays=size.many), queue("finished", finished=size.finished))
        taken = [[next(turns) for turns in queues] for _ in range(_WARM + size.turns)]
    alone, many, after = (statistics.median(seconds) for seconds in zip(*taken[_WARM:], strict=True))
    return Figure(
        {
            "finished_ratio": after / alone,
            "relays_ratio": many / alone,
            "alone_us": alone * 1e6,
            "many_relays_us": many * 1e6,
            "finished_us": after * 1e6,
        }
    )


def _prepare(database: Database, waiting: int, *, relays: int, finished: int) -> None:
    upgrade(database)
    _fill(database, "a", finished, relays=1, state=_DONE)
    _fill(database, "b", waiting, relays=relays, state=_WAITING)
    _come_to_rest(database)


def _turns(database: Database, relays: int) -> Iterator[float]:
    after, lanes_wanted = "", min(relays, _TURN // 10)
    while True:
        begun = time.monotonic()
        with database.read() as connection:
            due = due_lanes(connection, DELIVERIES, after=after, limit=lanes_wanted)
        lanes = [Quota(relay, _TURN // lanes_wanted) for relay, _ in due]
        with database.write() as connection:
            now = database.now()
            rows = claim(connection, DELIVERIES, lanes, owner="bench", now=now, until=now + _LEASE)
        seconds = time.monotonic() - begun
        if len(rows) != _TURN:
            raise Invalid(f"{len(rows)} deliveries were claimed, not {_TURN}")
        with database.write() as connection:
            connection.execute(_SETTLE, [{"id": row.id} for row in rows])
        after = due[-1][0] if relays > lanes_wanted else ""
        yield seconds / len(rows)


def _fill(database: Database, prefix: str, count: int, *, relays: int, state: str) -> None:
    false = "0" if database.dialect == "sqlite" else "false"
    select = _SELECT.format(prefix=prefix, state=state, false=false)
    numbers = _NUMBERS[database.dialect]
    insert = _INSERT + numbers + select if database.dialect == "sqlite" else numbers + _INSERT + select
    for first in range(0, count, _CHUNK):
        last = min(first + _CHUNK, count) - 1
        with database.write() as connection:
            connection.execute(text(insert), {"first": first, "last": last, "relays": relays})


def _come_to_rest(database: Database) -> None:
    """What PostgreSQL does within minutes by itself; SQLite has nothing to do, and plans without statistics."""
    if database.dialect == "postgresql":
        run_alone(database.url, "VACUUM (ANALYZE) mailsvc_delivery", "CHECKPOINT")
