"""What upkeep puts in order, the same on SQLite and on PostgreSQL."""

import pytest
from sqlalchemy import insert, select, update

from mailsvc import clock
from mailsvc.domain.relay import Relay
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.outbox.shared_commit import SharedCommit
from mailsvc.store.database import Database
from mailsvc.store.tables import delivery, message, relay
from mailsvc.upkeep.clock_setback import pull_in
from mailsvc.upkeep.rehome import adopt_orphans
from tests.support.messages import a_message

GONE, NEW, OLD = "rly_c", "rly_b", "rly_a"


def put(database: Database, relay_id: str, count: int = 1, **fields: object) -> None:
    taking = SharedCommit(database, ring=lambda: None)
    for _ in range(count):
        letter = a_message(relay=Relay(id=relay_id, name=relay_id, host="127.0.0.1"), now=database.now(), **fields)
        taking.accept(IntakeRequest("app_1", [letter], lambda _: Answer(202, b"{}")))
    taking.stop()


def add_relay(database: Database, id_: str, *, default: bool, app: str = "app_1", enabled: bool = True) -> None:
    values = {"name": id_, "config": "{}", "managed": False, "paused": False, "created_at": 0, "updated_at": 0}
    with database.write() as connection:
        connection.execute(insert(relay).values(id=id_, app_id=app, is_default=default, enabled=enabled, **values))


def relays_of(database: Database) -> set[tuple[str, str]]:
    with database.read() as connection:
        together = select(delivery.c.relay_id, message.c.relay_id).join(message, message.c.id == delivery.c.message_id)
        return {(row[0], row[1]) for row in connection.execute(together)}


def test_what_waits_for_a_relay_that_is_gone_goes_by_the_default(database: Database) -> None:
    """It would wait until it expired: a relay was deleted while a message was accepted for it."""
    add_relay(database, OLD, default=False)
    add_relay(database, NEW, default=True)
    put(database, GONE, 3)

    assert adopt_orphans(database) == 3
    assert relays_of(database) == {(NEW, NEW)}
    assert adopt_orphans(database) == 0


def test_what_waits_for_a_relay_that_exists_stays_with_it(database: Database) -> None:
    """Also where it is not the default, or is switched off for a while."""
    add_relay(database, OLD, default=False, enabled=False)
    add_relay(database, NEW, default=True)
    put(database, OLD)

    assert adopt_orphans(database) == 0
    assert relays_of(database) == {(OLD, OLD)}


def test_no_relay_of_another_app_takes_over(database: Database) -> None:
    """An app's mail goes by its own relays, and waits where it has none."""
    add_relay(database, NEW, default=True, app="app_2")
    put(database, GONE)

    assert adopt_orphans(database) == 0
    assert relays_of(database) == {(GONE, GONE)}


@pytest.mark.parametrize("status", ["queued", "deferred", "sending"])
def test_what_was_written_by_a_clock_far_ahead_does_not_wait_for_it(database: Database, status: str) -> None:
    """A year too far, put right between two runs: it is due now."""
    put(database, OLD)
    set_all(database, status=status, due_at=database.now() + 365 * clock.DAY)
    now = database.now()
    with database.write() as connection:
        assert pull_in(connection, now=now) == 1

    assert due_times(database) == [now]


@pytest.mark.parametrize(("status", "wait"), [("queued", 0), ("deferred", 4 * clock.HOUR), ("sending", 2 * clock.HOUR)])
def test_what_waits_by_our_rules_goes_on_waiting(database: Database, status: str, wait: int) -> None:
    """A start changes nothing of it."""
    put(database, OLD)
    due_at = database.now() + wait
    set_all(database, status=status, due_at=due_at)
    with database.write() as connection:
        assert pull_in(connection, now=database.now()) == 0

    assert due_times(database) == [due_at]


@pytest.mark.parametrize("status", ["scheduled", "queued", "deferred"])
def test_an_appointment_is_kept(database: Database, status: str) -> None:
    """A message for next month waits for next month, also when it was held and released, or had failed once."""
    at = database.now() + 30 * clock.DAY
    put(database, OLD, scheduled_at=clock.rfc3339(at))
    set_all(database, status=status)
    with database.write() as connection:
        assert pull_in(connection, now=database.now()) == 0

    assert due_times(database) == [at]


def set_all(database: Database, **values: object) -> None:
    with database.write() as connection:
        connection.execute(update(delivery).values(**values))


def due_times(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(select(delivery.c.due_at)).scalars())
