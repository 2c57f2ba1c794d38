"""The recorder: what each outcome writes into a delivery's row, its attempts and its events."""

import json
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select, update

from mailsvc import clock
from mailsvc.domain.attempt import Tls
from mailsvc.domain.bounce import Bounce
from mailsvc.domain.lifecycle import Change, Status
from mailsvc.domain.relay import Relay
from mailsvc.outcomes.outcome import Outcome, Try, smtp_json
from mailsvc.outcomes.record import record
from mailsvc.store.database import Database
from mailsvc.store.tables import attempt, delivery, event, message, suppression
from tests.support.messages import a_message

S, C = Status, Change
NOW = 1_700_000_000_000_000
EXPIRES_AT = NOW + 600 * clock.SECOND
TOKEN = 3
RELAY = Relay(id="rly_a", name="a", host="mx.app.test")
SAID = Try(NOW - 9, 4.5, "rcpt", 450, "4.2.0", "busy", "rly_a", "mx.app.test", None, "deferred")
SAID_JSON = {"stage": "rcpt", "code": 450, "enhanced_code": "4.2.0", "text": "busy", "host": "mx.app.test"}
SHOWN = smtp_json("rcpt", 450, "4.2.0", "busy", "mx.app.test")
BEFORE = smtp_json("connect", None, None, "connection refused", "mx.app.test")


def saying(**changes: Any) -> Try:
    return msgspec.structs.replace(SAID, **changes)


@pytest.fixture
def ids(database: Database) -> list[str]:
    """Two deliveries of one message, claimed."""
    made = a_message(
        relay=RELAY, to=("alice@example.test", "Bob@example.test"), tags=["a"], metadata={"k": "v"}, now=NOW
    )
    with database.write() as connection:
        connection.execute(insert(message), [{**made.message, "expires_at": EXPIRES_AT}])
        connection.execute(insert(delivery), made.deliveries)
        connection.execute(
            update(delivery).values(
                status="sending", lease_token=TOKEN, lease_owner="wrk_1", expires_at=EXPIRES_AT, attempts=0
            )
        )
    return [row["id"] for row in made.deliveries]


@pytest.fixture
def id_(ids: list[str]) -> str:
    return ids[0]


def stand(database: Database, id_: str, **values: Any) -> None:
    with database.write() as connection:
        connection.execute(update(delivery).where(delivery.c.id == id_).values(**values))


def settle(database: Database, *outcomes: Outcome, now: int = NOW) -> set[str]:
    with database.write() as connection:
        return record(connection, outcomes, now=now)


def rows(database: Database, table: Any) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(table)))


def row_of(database: Database, id_: str) -> Any:
    (row,) = [row for row in rows(database, delivery) if row.id == id_]
    return row


def events_of(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """Types and data, in order."""
    found = sorted(rows(database, event), key=lambda row: row.position)
    return [(row.type, json.loads(row.body)["data"]) for row in found]


# The row


@pytest.mark.parametrize(
    ("status", "change", "asked", "due_at", "expires_at"),
    [
        (S.SENDING,   C.SENT,     None,                    None,            None),
        (S.SENDING,   C.BOUNCE,   None,                    None,            None),
        (S.SENDING,   C.GIVE_UP,  None,                    None,            None),
        (S.SENDING,   C.SUPPRESS, None,                    None,            None),
        (S.SENDING,   C.EXPIRE,   NOW + 5,                 None,            None),        # what has ended is never due
        (S.SENDING,   C.DEFER,    NOW + 5,                 NOW + 5,         EXPIRES_AT),
        (S.SENDING,   C.RETURN,   NOW + 5,                 NOW + 5,         EXPIRES_AT),
        (S.SENDING,   C.RETURN,   None,                    NOW,             EXPIRES_AT),  # no time given: now
        (S.SENDING,   C.DEFER,    EXPIRES_AT + 1,          EXPIRES_AT,      EXPIRES_AT),  # then it expires
        (S.QUEUED,    C.HOLD,     NOW + 5,                 None,            EXPIRES_AT),  # held mail is not due, but expires
        (S.HELD,      C.RELEASE,  None,                    NOW,             EXPIRES_AT),
        (S.HELD,      C.POSTPONE, NOW + 5,                 NOW + 5,         EXPIRES_AT),
        (S.QUEUED,    C.CANCEL,   None,                    None,            None),
        (S.UNCERTAIN, C.RETRY,    None,                    NOW,             EXPIRES_AT),
    ],
)  # fmt: skip
def test_when_a_delivery_is_due_and_expires(
    database: Database, id_: str, status: Status, change: Change, asked: int | None, due_at: int, expires_at: int
) -> None:
    """Only what waits has a time; only what has not ended expires."""
    token = TOKEN if status is S.SENDING else None
    stand(database, id_, status=status.value)
    settle(database, Outcome(id_, change, token, due_at=asked), now=NOW)

    assert (row_of(database, id_).due_at, row_of(database, id_).expires_at) == (due_at, expires_at)


def test_a_delivery_taken_up_again_has_the_expiry_of_its_message(database: Database, id_: str) -> None:
    """Its own was removed when it ended."""
    stand(database, id_, status="bounced", expires_at=None)
    settle(database, Outcome(id_, C.RETRY))

    assert row_of(database, id_).expires_at == EXPIRES_AT


def test_its_own_expiry_counts_more_than_that_of_its_message(database: Database, id_: str) -> None:
    stand(database, id_, status="deferred", expires_at=EXPIRES_AT - 7)
    settle(database, Outcome(id_, C.RETRY))

    assert row_of(database, id_).expires_at == EXPIRES_AT - 7


@pytest.mark.parametrize(
    ("change", "is_in_doubt"),
    [
        (C.SENT, False), (C.BOUNCE, False), (C.DEFER, False), (C.GIVE_UP, False),
        (C.RETURN, True), (C.EXPIRE, True), (C.SUPPRESS, True),
    ],
)  # fmt: skip
def test_only_an_attempt_or_giving_up_settles_a_doubt(
    database: Database, id_: str, change: Change, is_in_doubt: bool
) -> None:
    """Whether a vanished worker sent it stays open where nothing was sent since."""
    stand(database, id_, uncertain=True)
    settle(database, Outcome(id_, change, TOKEN))

    assert row_of(database, id_).uncertain is is_in_doubt


def test_a_claim_that_ends_frees_its_row(database: Database, ids: list[str]) -> None:
    """And no other one."""
    before = row_of(database, ids[0]).updated_at
    settle(database, Outcome(ids[0], C.SENT, TOKEN), now=NOW + 5)
    ended, other = (row_of(database, id_) for id_ in ids)

    assert (ended.status, ended.lease_owner, ended.updated_at) == ("sent", None, NOW + 5)
    assert (other.status, other.lease_owner, other.updated_at) == ("sending", "wrk_1", before)


@pytest.mark.parametrize(
    ("outcome", "attempts", "last_smtp"),
    [
        (Outcome("", C.DEFER, TOKEN, SAID), 3, SHOWN),
        (Outcome("", C.RETURN, TOKEN, kept_by="{}"), 2, "{}"),
        (Outcome("", C.RETURN, TOKEN), 2, BEFORE),
        (Outcome("", C.DEFER, TOKEN, SAID, kept_by="{}"), 3, "{}"),
    ],
    ids=["attempt", "kept waiting", "nothing new", "waiting for more"],
)
def test_what_is_counted_and_shown_of_an_attempt(
    database: Database, id_: str, outcome: Outcome, attempts: int, last_smtp: str
) -> None:
    """What keeps a delivery waiting is shown and not counted."""
    stand(database, id_, attempts=2, last_smtp=BEFORE)
    settle(database, msgspec.structs.replace(outcome, delivery_id=id_))

    assert (row_of(database, id_).attempts, row_of(database, id_).last_smtp) == (attempts, last_smtp)
    assert [row.number for row in rows(database, attempt)] == ([3] if outcome.tried else [])


@pytest.mark.parametrize("tls", [None, Tls("TLSv1.3", "AES", True)])
def test_an_attempt_is_kept_as_it_was(database: Database, id_: str, tls: Tls | None) -> None:
    settle(database, Outcome(id_, C.DEFER, TOKEN, saying(tls=tls)))
    (kept,) = rows(database, attempt)
    as_json = '{"version":"TLSv1.3","cipher":"AES","verified":true}' if tls else None

    assert tuple(kept) == (
        id_, 1, NOW - 9, 4.5, "rcpt", 450, "4.2.0", "busy", "rly_a", "mx.app.test", as_json, "deferred",
    )  # fmt: skip


# Who is heard


@pytest.mark.parametrize(
    ("status", "token", "counts"),
    [
        ("sending", TOKEN, True),
        ("sending", TOKEN - 1, False),  # somebody else holds it now
        ("sending", None, False),  # it may be on its way: only the holder knows
        ("queued", None, True),
        ("queued", TOKEN, True),
        ("queued", TOKEN - 1, False),
        ("canceled", None, False),  # there is nothing to expire
    ],
)
def test_who_may_end_a_delivery(database: Database, id_: str, status: str, token: int | None, counts: bool) -> None:
    stand(database, id_, status=status)
    changed = settle(database, Outcome(id_, C.EXPIRE, token))

    assert changed == ({id_} if counts else set())
    assert (row_of(database, id_).status == "expired") is counts
    assert len(events_of(database)) == counts


def test_an_outcome_that_changes_nothing_does_not_hinder_the_others(database: Database, ids: list[str]) -> None:
    """One without a row, one that is late, one by nobody who could know, and one that means nothing."""
    unknown, late = Outcome("dlv_unknown", C.SENT, TOKEN), Outcome(ids[0], C.SENT, TOKEN + 1)
    blind, senseless = Outcome(ids[0], C.BOUNCE), Outcome(ids[0], C.RELEASE, TOKEN)

    assert settle(database, unknown, late, blind, senseless, Outcome(ids[1], C.SENT, TOKEN)) == {ids[1]}
    assert [row_of(database, id_).status for id_ in ids] == ["sending", "sent"]


def test_of_two_outcomes_in_one_group_the_first_counts(database: Database, id_: str) -> None:
    """Both were judged by the same row: the second would be an attempt and an event of something that never happened."""
    bounced = Outcome(id_, C.BOUNCE, TOKEN, saying(outcome="bounced", code=550))

    assert settle(database, Outcome(id_, C.SENT, TOKEN, SAID), bounced) == {id_}
    assert (row_of(database, id_).status, row_of(database, id_).attempts) == ("sent", 1)
    assert [type_ for type_, _ in events_of(database)] == ["message.sent"]


def test_of_two_changes_in_one_group_the_first_that_means_something_counts(database: Database, id_: str) -> None:
    """A release of what is not held changes nothing, and does not stand in the way of what follows."""
    stand(database, id_, status="queued")

    assert settle(database, *(Outcome(id_, change) for change in (C.RELEASE, C.HOLD, C.CANCEL))) == {id_}
    assert row_of(database, id_).status == "held"
    assert [type_ for type_, _ in events_of(database)] == ["message.held"]


def test_nothing_is_written_for_nothing(database: Database, id_: str) -> None:
    assert settle(database) == set()
    assert settle(database, Outcome("dlv_unknown", C.SENT)) == set()
    assert events_of(database) == []


# What is told


@pytest.mark.parametrize(
    ("outcome", "type_", "more"),
    [
        (Outcome("", C.SENT, TOKEN, SAID), "message.sent", {"status": "sent", "attempt": 1, "smtp": SAID_JSON}),
        (Outcome("", C.DEFER, TOKEN, SAID), "message.deferred", {"status": "deferred", "attempt": 1, "smtp": SAID_JSON}),
        (
            Outcome("", C.BOUNCE, TOKEN, SAID, Bounce("soft", "other", "smtp", "4.2.0", 450, "busy")),
            "message.bounced",
            {
                "status": "bounced", "attempt": 1, "smtp": SAID_JSON,
                "bounce": {
                    "type": "soft", "reason": "other", "source": "smtp", "enhanced_code": "4.2.0", "code": 450,
                    "diagnostic": "busy", "remote_mta": None, "reporting_mta": None, "recipient": "alice@example.test",
                },
            },
        ),
        (
            Outcome("", C.GIVE_UP, TOKEN, why="it vanished"),
            "message.uncertain",
            {"status": "uncertain", "attempt": 0, "reason": "it vanished"},
        ),
        (Outcome("", C.SUPPRESS, TOKEN), "message.suppressed", {"status": "suppressed", "attempt": 0}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_an_event_says_what_became_of_which_delivery(
    database: Database, id_: str, outcome: Outcome, type_: str, more: dict[str, Any]
) -> None:
    """With what its message was labelled by."""
    settle(database, msgspec.structs.replace(outcome, delivery_id=id_))
    message_id = row_of(database, id_).message_id
    of_all = {"message_id": message_id, "delivery_id": id_, "recipient": "alice@example.test"}

    assert events_of(database) == [(type_, {**of_all, "tags": ["a"], "metadata": {"k": "v"}, **more})]
    (kept,) = rows(database, event)
    assert (kept.app_id, kept.message_id, kept.delivery_id, kept.sequence) == ("app_1", message_id, id_, 1)


@pytest.mark.parametrize(
    ("status", "change", "token"),
    [
        ("sending", C.RETURN, TOKEN),
        ("held", C.RELEASE, None),
        ("held", C.POSTPONE, None),
        ("held", C.RETRY, None),
    ],
)
def test_what_only_waits_again_is_not_told(
    database: Database, id_: str, status: str, change: Change, token: int | None
) -> None:
    """It is on its way."""
    stand(database, id_, status=status)

    assert settle(database, Outcome(id_, change, token)) == {id_}
    assert events_of(database) == []


@pytest.mark.parametrize(
    ("last_smtp", "smtp"), [(None, {}), (SHOWN, {"smtp": SAID_JSON})], ids=["never tried", "tried in vain"]
)
def test_an_expiry_shows_what_kept_it_from_being_sent(
    database: Database, id_: str, last_smtp: str | None, smtp: dict[str, Any]
) -> None:
    stand(database, id_, status="deferred", last_smtp=last_smtp)
    settle(database, Outcome(id_, C.EXPIRE))
    ((_, data),) = events_of(database)

    assert {name: value for name, value in data.items() if name == "smtp"} == smtp


def test_a_cancellation_shows_no_reply_of_before(database: Database, id_: str) -> None:
    """It did not come of one."""
    stand(database, id_, status="deferred", last_smtp=SHOWN)
    settle(database, Outcome(id_, C.CANCEL))

    assert "smtp" not in events_of(database)[0][1]


@pytest.mark.parametrize(
    ("attempts", "last_smtp", "tried", "is_told"),
    [
        (0, None,  SAID,                         True),   # the first
        (1, SHOWN, SAID,                         False),  # the same again
        (1, SHOWN, saying(text="still busy"),    False),  # in other words
        (1, SHOWN, saying(host="mx2.app.test"),  False),
        (1, SHOWN, saying(stage="eom"),          True),
        (1, SHOWN, saying(code=451),             True),
        (1, SHOWN, saying(enhanced_code=None),   True),
        (0, SHOWN, SAID,                         True),   # what is shown was no attempt, and was told by nobody
        (1, None,  SAID,                         True),
        (1, SHOWN, None,                         True),
    ],
)  # fmt: skip
def test_a_deferral_is_told_when_its_reason_is_new(
    database: Database, id_: str, attempts: int, last_smtp: str | None, tried: Try | None, is_told: bool
) -> None:
    """Hours of the same greylisting are one event."""
    stand(database, id_, attempts=attempts, last_smtp=last_smtp)
    settle(database, Outcome(id_, C.DEFER, TOKEN, tried, due_at=NOW))

    assert [type_ for type_, _ in events_of(database)] == (["message.deferred"] if is_told else [])


def test_outcomes_are_told_in_their_order(database: Database, ids: list[str]) -> None:
    """Not in that in which their rows are locked."""
    settle(database, *(Outcome(id_, C.SENT, TOKEN) for id_ in sorted(ids, reverse=True)))

    assert [data["delivery_id"] for _, data in events_of(database)] == sorted(ids, reverse=True)


# What follows


@pytest.mark.parametrize("kind", ["hard", "soft", None])
def test_only_a_hard_bounce_suppresses_the_address(database: Database, ids: list[str], kind: str | None) -> None:
    """With its reason, and the event that told of it."""
    bounce = Bounce(kind, "mailbox_unknown", "smtp") if kind else None
    settle(database, Outcome(ids[1], C.BOUNCE, TOKEN, SAID, bounce))
    entries = [(e.app_id, e.address, e.reason, e.tag, e.note) for e in rows(database, suppression)]
    told = {row.type: row.id for row in rows(database, event)}

    assert entries == ([("app_1", "bob@example.test", "hard_bounce", "", "mailbox_unknown")] if kind == "hard" else [])
    assert all(entry.event_id == told["message.bounced"] for entry in rows(database, suppression))
    assert ("suppression.added" in told) == (kind == "hard")
