"""The queue's promises, the same on SQLite and on PostgreSQL."""

import threading

import msgspec
import pytest
from sqlalchemy import func, select, update

from mailsvc import clock
from mailsvc.apps.suppressions import Suppression, add_suppressions
from mailsvc.domain.bounce import Bounce
from mailsvc.domain.lifecycle import Change
from mailsvc.domain.relay import Relay
from mailsvc.outbox.request import Answer, IdempotencyKey, IntakeRequest
from mailsvc.outbox.shared_commit import SharedCommit
from mailsvc.outcomes.actions import apply_change
from mailsvc.outcomes.expire import expire_due
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.record import record
from mailsvc.outcomes.reschedule import Amendment, amend
from mailsvc.smtp.replies import ReplyParser
from mailsvc.store import leases, migrate
from mailsvc.store.database import Database
from mailsvc.store.leases import DELIVERIES, Quota
from mailsvc.store.tables import attempt, delivery, event, message, suppression
from tests.support.messages import a_message, sent_try
from tests.support.postgres import Postgres

ALICE, BOB = "alice@example.test", "bob@example.test"
LEASE = 60 * clock.SECOND


@pytest.fixture
def intake(database: Database):
    taking = SharedCommit(database, ring=lambda: None)
    yield taking
    taking.stop()


def put(
    intake: SharedCommit,
    *,
    relay: str = "rly_a",
    to: tuple[str, ...] = (ALICE,),
    idempotency_key: IdempotencyKey | None = None,
    **draft: object,
) -> list[str]:
    new_message = a_message(
        relay=Relay(id=relay, name=relay, host="127.0.0.1"), to=to, now=intake._database.now(), **draft
    )
    intake.accept(IntakeRequest("app_1", [new_message], lambda _: Answer(202, b'{"first":true}'), idempotency_key))
    return [row["id"] for row in new_message.deliveries]


def claim(database: Database, owner: str = "wrk_a", limit: int = 10, *, relay: str = "rly_a", now: int | None = None):
    with database.write() as connection:
        at = database.now() if now is None else now
        return leases.claim(connection, DELIVERIES, [Quota(relay, limit)], owner=owner, now=at, until=at + LEASE)


def settle(database: Database, *findings: Outcome) -> set[str]:
    with database.write() as connection:
        return record(connection, findings, now=database.now())


def row_of(database: Database, delivery_id: str):
    with database.read() as connection:
        return connection.execute(select(delivery).where(delivery.c.id == delivery_id)).one()


def events_of(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(event.c.type).order_by(event.c.position)).scalars())


def test_a_due_delivery_is_claimed_once(database: Database, intake: SharedCommit) -> None:
    """A second claim does not get what the first one holds."""
    (id_,) = put(intake)

    first, second = claim(database), claim(database, "wrk_b")

    assert [row.id for row in first] == [id_]
    assert second == []


def test_whatever_a_relay_says_can_be_recorded(database: Database, intake: SharedCommit) -> None:
    """PostgreSQL's text has no NUL: the delivery would be ours for ever, and be sent again at every start."""
    (id_,) = put(intake)
    (row,) = claim(database)
    (reply,) = ReplyParser().feed(b"250 2.0.0 \0 \x1b \xff ok\r\n")
    tried = msgspec.structs.replace(sent_try(), text=reply.text)

    assert settle(database, Outcome(id_, Change.SENT, row.lease_token, tried)) == {id_}
    with database.read() as connection:
        assert (
            connection.execute(select(attempt.c.text)).scalar_one()
            == "\N{REPLACEMENT CHARACTER} \x1b \N{REPLACEMENT CHARACTER} ok"
        )


class HourAhead(clock.SteadyClock):
    """The clock of a host that is an hour ahead of the others."""

    def now(self) -> int:
        return super().now() + clock.HOUR


def test_a_host_whose_clock_is_ahead_takes_no_lease_for_over(postgres: Postgres) -> None:
    """From its first claim on it judges by the server's clock; what others hold would be sent twice."""
    url = postgres.fresh_database()
    database, ahead = Database(url), Database(url, steady=HourAhead())
    migrate.upgrade(database)
    taking = SharedCommit(database, ring=lambda: None)
    put(taking)
    claim(database)

    assert claim(ahead, "wrk_b") == []
    taking.stop()
    database.close()
    ahead.close()


def test_a_host_whose_clock_is_ahead_accepts_for_now(postgres: Postgres) -> None:
    """A process that only serves the API knows the server's time as soon as it has read anything."""
    ahead = Database(postgres.fresh_database(), steady=HourAhead())
    with ahead.read():
        pass

    assert abs(ahead.now() - clock.now()) < clock.MINUTE
    ahead.close()


def test_many_workers_never_claim_the_same_delivery(database: Database, intake: SharedCommit) -> None:
    """Concurrent claims share the queue without overlap and without loss."""
    ids = {put(intake)[0] for _ in range(60)}
    claimed: list[str] = []

    def work(owner: str) -> None:
        while rows := claim(database, owner, 7):
            claimed.extend(row.id for row in rows)

    workers = [threading.Thread(target=work, args=(f"wrk_{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(claimed) == sorted(ids)


def test_an_expired_lease_is_claimed_again_and_marked_uncertain(database: Database, intake: SharedCommit) -> None:
    """What a vanished worker held comes back by itself; whether it was sent, nobody knows."""
    put(intake)
    (held,) = claim(database)

    (again,) = claim(database, "wrk_b", now=database.now() + 2 * LEASE)

    assert again.lease_token == held.lease_token + 1
    assert again.uncertain


def in_doubt(database: Database):
    """The claim of a delivery that another worker vanished with."""
    claim(database, "wrk_vanished")
    (row,) = claim(database, "wrk_b", now=database.now() + 2 * LEASE)
    assert row.uncertain
    return row


@pytest.mark.parametrize(
    "since",
    [[], [Change.HOLD, Change.RELEASE], [Change.RETRY]],
    ids=lambda changes: "-".join(changes) or "nothing",
)
def test_a_claim_given_back_leaves_open_what_was_uncertain(
    database: Database, intake: SharedCommit, since: list[Change]
) -> None:
    """Nothing was sent since the worker vanished: forgotten, it would go out again although its message forbids that."""
    put(intake)
    row = in_doubt(database)

    for finding in [Outcome(row.id, Change.RETURN, row.lease_token), *(Outcome(row.id, change) for change in since)]:
        assert settle(database, finding)

    (again,) = claim(database, "wrk_c")
    assert again.uncertain


def test_a_claim_given_back_is_not_uncertain_by_that(database: Database, intake: SharedCommit) -> None:
    """Nor is one that was attempted since its worker vanished."""
    put(intake)
    row = in_doubt(database)
    settle(database, Outcome(row.id, Change.DEFER, row.lease_token, sent_try("deferred")))
    (row,) = claim(database)
    assert not row.uncertain

    settle(database, Outcome(row.id, Change.RETURN, row.lease_token))

    assert [again.uncertain for again in claim(database)] == [False]


def test_what_was_given_up_as_uncertain_is_sent_when_somebody_asks_for_it(
    database: Database, intake: SharedCommit
) -> None:
    """Who asks has been told, and is not told again instead."""
    put(intake)
    row = in_doubt(database)
    settle(database, Outcome(row.id, Change.GIVE_UP, row.lease_token))

    settle(database, Outcome(row.id, Change.RETRY))

    assert [again.uncertain for again in claim(database)] == [False]


def test_a_live_worker_does_not_claim_its_own_late_lease(database: Database, intake: SharedCommit) -> None:
    """After a jump of the clock, a worker must not send twice what it is sending."""
    put(intake)
    claim(database)

    assert claim(database, now=database.now() + 2 * LEASE) == []


def test_a_worker_that_was_too_slow_changes_nothing(database: Database, intake: SharedCommit) -> None:
    """The lease token fences the results of a claim that somebody else has taken over."""
    (id_,) = put(intake)
    (held,) = claim(database)
    claim(database, "wrk_b", now=database.now() + 2 * LEASE)

    changed = settle(database, Outcome(id_, Change.BOUNCE, held.lease_token, sent_try("bounced")))

    assert changed == set()
    assert row_of(database, id_).status == "sending"


def test_an_extended_lease_is_not_claimed(database: Database, intake: SharedCommit) -> None:
    """A long transmission keeps its claim for as long as it extends it."""
    (id_,) = put(intake)
    (held,) = claim(database)
    later = database.now() + 2 * LEASE
    with database.write() as connection:
        count = leases.extend(
            connection, DELIVERIES, [{"id": id_, "lease_token": held.lease_token}], until=later + LEASE
        )

    assert count == 1
    assert claim(database, "wrk_b", now=later) == []


def test_high_priority_goes_first_and_low_priority_is_not_starved(database: Database, intake: SharedCommit) -> None:
    """Priority is a head start: a low message goes before normal ones that came more than ten minutes after it."""
    (low,), (normal,), (high,) = put(intake, priority="low"), put(intake), put(intake, priority="high")
    with database.write() as connection:
        connection.execute(
            update(delivery).where(delivery.c.id == low).values(due_at=delivery.c.due_at - 11 * clock.MINUTE)
        )

    order = [claim(database, limit=1)[0].id for _ in range(3)]

    assert order == [high, low, normal]


def test_a_claim_takes_from_each_relay_only_what_it_has_room_for(database: Database, intake: SharedCommit) -> None:
    """The backlog of one relay takes nothing from another one's room."""
    for _ in range(5):
        put(intake, relay="rly_slow")
    put(intake, relay="rly_quick")

    with database.write() as connection:
        now = database.now()
        rows = leases.claim(
            connection, DELIVERIES, [Quota("rly_slow", 2), Quota("rly_quick", 2)], owner="w", now=now, until=now + LEASE
        )

    assert sorted(row.relay_id for row in rows) == ["rly_quick", "rly_slow", "rly_slow"]


def test_due_lanes_walks_the_relays_in_turn(database: Database, intake: SharedCommit) -> None:
    """Relays with unfinished work are found page by page, whatever their backlog."""
    for name in ("rly_a", "rly_b", "rly_c"):
        put(intake, relay=name)
        put(intake, relay=name)

    with database.read() as connection:
        first = leases.due_lanes(connection, DELIVERIES, after="", limit=2)
        rest = leases.due_lanes(connection, DELIVERIES, after=first[-1][0], limit=2)

    assert [lane for lane, _ in first + rest] == ["rly_a", "rly_b", "rly_c"]


def test_a_sent_delivery_has_its_attempt_and_event(database: Database, intake: SharedCommit) -> None:
    """State, attempt and event are one fact."""
    (id_,) = put(intake)
    (held,) = claim(database)

    settle(database, Outcome(id_, Change.SENT, held.lease_token, sent_try()))

    with database.read() as connection:
        tried = connection.execute(select(attempt)).one()
    assert (row_of(database, id_).status, row_of(database, id_).due_at) == ("sent", None)
    assert (tried.delivery_id, tried.number, tried.code) == (id_, 1, 250)
    assert events_of(database) == ["message.queued", "message.sent"]


def test_a_repeated_finding_changes_nothing(database: Database, intake: SharedCommit) -> None:
    """Told twice, recorded once."""
    (id_,) = put(intake)
    (held,) = claim(database)
    settle(database, Outcome(id_, Change.SENT, held.lease_token, sent_try()))

    assert settle(database, Outcome(id_, Change.SENT, held.lease_token, sent_try())) == set()
    assert events_of(database) == ["message.queued", "message.sent"]


def test_sequences_of_a_message_have_no_gaps(database: Database, intake: SharedCommit) -> None:
    """A consumer can see that it missed something."""
    ids = put(intake, to=(ALICE, BOB))
    tokens = {row.id: row.lease_token for row in claim(database)}
    settle(database, *(Outcome(id_, Change.SENT, tokens[id_], sent_try()) for id_ in ids))

    with database.read() as connection:
        assert list(connection.execute(select(event.c.sequence).order_by(event.c.sequence)).scalars()) == [1, 2, 3]


def test_a_deferral_is_told_again_only_for_a_new_reason(database: Database, intake: SharedCommit) -> None:
    """The first deferral is told, a repeated one is not, another reason is."""
    (id_,) = put(intake)
    for code in (450, 450, 451):
        (held,) = claim(database, now=database.now())
        settle(
            database, Outcome(id_, Change.DEFER, held.lease_token, sent_try("deferred", code), due_at=database.now())
        )

    assert events_of(database).count("message.deferred") == 2


def test_a_delivery_is_never_deferred_beyond_its_expiry(database: Database, intake: SharedCommit) -> None:
    """A login code never arrives tomorrow."""
    (id_,) = put(intake, expires_in=60)
    (held,) = claim(database)

    settle(
        database,
        Outcome(id_, Change.DEFER, held.lease_token, sent_try("deferred", 450), due_at=database.now() + clock.HOUR),
    )

    assert row_of(database, id_).due_at == row_of(database, id_).expires_at


@pytest.mark.parametrize("state", ["queued", "held"])
def test_what_waits_too_long_expires(database: Database, intake: SharedCommit, state: str) -> None:
    """Expiry ends every kind of waiting, also being held."""
    (id_,) = put(intake, expires_in=60)
    if state == "held":
        settle(database, Outcome(id_, Change.HOLD))

    with database.write() as connection:
        expire_due(connection, now=database.now() + 61 * clock.SECOND, limit=10)

    assert row_of(database, id_).status == "expired"
    assert events_of(database)[-1] == "message.expired"


def test_a_canceled_delivery_is_not_claimed(database: Database, intake: SharedCommit) -> None:
    """Recalled before it was sent, it stays unsent."""
    (id_,) = put(intake)
    with database.write() as connection:
        apply_change(connection, row_of(database, id_).message_id, Change.CANCEL, now=database.now())

    assert claim(database) == []
    assert events_of(database)[-1] == "message.canceled"


def test_a_scheduled_message_waits_for_its_time(database: Database, intake: SharedCommit) -> None:
    """It is due at its instant, and rescheduling moves that."""
    later = database.now() + clock.HOUR
    (id_,) = put(intake, scheduled_at=clock.rfc3339(later))
    assert claim(database) == []

    with database.write() as connection:
        amend(connection, row_of(database, id_).message_id, Amendment(unschedule=True), now=database.now())

    assert [row.id for row in claim(database)] == [id_]


def test_a_used_idempotency_key_replays_the_first_answer(database: Database, intake: SharedCommit) -> None:
    """A client that repeats a request after a lost answer does not send twice."""
    consign = a_message(relay=Relay(id="rly_a", name="a", host="h"), now=database.now())
    again = a_message(relay=Relay(id="rly_a", name="a", host="h"), now=database.now())
    first = intake.accept(
        IntakeRequest("app_1", [consign], lambda _: Answer(202, b'{"n":1}'), IdempotencyKey("k", "f"))
    )
    second = intake.accept(IntakeRequest("app_1", [again], lambda _: Answer(202, b'{"n":2}'), IdempotencyKey("k", "f")))

    assert (first.replayed, second.replayed, second.body) == (False, True, b'{"n":1}')
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(message)).scalar_one() == 1


def test_a_suppressed_recipient_is_told_at_accept(database: Database, intake: SharedCommit) -> None:
    """The list covers an address in any case of letters; the others go on."""
    with database.write() as connection:
        add_suppressions(connection, [Suppression("app_1", "Alice@Example.test", "manual")], now=database.now())
    first, second = put(intake, to=(ALICE, BOB))

    assert (row_of(database, first).status, row_of(database, second).status) == ("suppressed", "queued")
    assert events_of(database) == ["suppression.added", "message.queued", "message.suppressed"]


def test_one_bad_request_does_not_fail_its_neighbours(database: Database, intake: SharedCommit) -> None:
    """Requests that share a commit stand or fall by themselves."""
    good = [a_message(relay=Relay(id="rly_a", name="a", host="h"), now=database.now()) for _ in range(3)]
    bad = a_message(relay=Relay(id="rly_a", name="a", host="h"), now=database.now())
    bad.message["subject"] = object()
    requests = [IntakeRequest("app_1", [c], lambda _: Answer(202, b"{}")) for c in (*good, bad)]
    intake._store(requests)

    assert [r.done.exception() is None for r in requests] == [True, True, True, False]


def test_a_hard_bounce_at_the_recipient_is_suppressed(database: Database, intake: SharedCommit) -> None:
    """The next message to that address is not sent."""
    (id_,) = put(intake)
    (held,) = claim(database)
    bounce = Bounce("hard", "mailbox_unknown", "smtp")
    settle(database, Outcome(id_, Change.BOUNCE, held.lease_token, sent_try("bounced", 550), bounce))

    with database.read() as connection:
        listed = connection.execute(select(suppression.c.address, suppression.c.reason)).one()
    assert tuple(listed) == (ALICE, "hard_bounce")
