"""What copies in a Sent folder prove about transactions without a reply, and what follows for their deliveries."""

import json
from typing import Any

import pytest
from sqlalchemy import insert, update

from mailsvc import clock
from mailsvc.apps.mailbox_state import note_sent_folder_error
from mailsvc.cli.checkup.sentfolders import look_at_sent_folders
from mailsvc.domain.lifecycle import Change
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.record import record
from mailsvc.outcomes.sent_jobs import begin_filing, is_void, put_off, settle_lookup
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import mailbox
from mailsvc.store.sent_tables import COPY, sent_job
from mailsvc.store.tables import delivery, other_message_id
from tests.support.sentshop import Shop


@pytest.fixture
def shop(database: Database) -> Shop:
    shop = Shop(database)
    shop.link()
    return shop


def test_one_copy_settles_all_deliveries_of_a_transaction(shop: Shop) -> None:
    shop.ended("uncertain", *shop.ids)

    assert shop.see(1, *shop.ids) == ["found"] * 3
    assert shop.statuses() == ["sent"] * 3


@pytest.mark.parametrize("damaged", ["not JSON", "[]", "{}"])
def test_a_mailbox_with_damaged_settings_keeps_no_outcome_from_being_recorded(shop: Shop, damaged: str) -> None:
    """The linked one is found all the same."""
    other = shop.link(name="other", relay=None)
    with shop.database.write() as connection:
        connection.execute(update(mailbox).where(mailbox.c.id == other).values(config=damaged))
    shop.ended("uncertain", *shop.ids)

    assert shop.see(1, *shop.ids) == ["found"] * 3


@pytest.mark.parametrize(("copies", "status"), [(1, "waiting"), (2, "waiting"), (3, "found")])
def test_one_copy_proves_one_of_several_transactions_and_says_not_which(shop: Shop, copies: int, status: str) -> None:
    """With VERP each recipient has a transaction of their own, and all copies look alike."""
    shop.ended("uncertain", *shop.ids, together=False)

    assert shop.see(copies, *shop.ids) == [status] * 3


@pytest.mark.parametrize(("copies", "status"), [(1, "waiting"), (2, "found")])
def test_the_copy_of_an_accepted_transaction_proves_no_other(shop: Shop, copies: int, status: str) -> None:
    alice, *others = shop.ids
    shop.ended("sent", *others)
    shop.ended("uncertain", alice)

    assert shop.see(copies, alice) == [status]


def test_nothing_is_proven_while_another_delivery_is_at_the_relay(shop: Shop) -> None:
    """Its copy may be there before its result is recorded."""
    shop.ended("uncertain", shop.ids[0])

    assert shop.see(9, shop.ids[0]) == ["waiting"]


def test_a_transaction_without_a_copy_at_the_end_accounts_for_no_copy_later(shop: Shop) -> None:
    """Otherwise a relay that loses its connections often could never prove anything."""
    shop.ended("uncertain", *shop.ids)
    shop.at_the_end()
    assert shop.see(0, *shop.ids) == ["absent"] * 3
    assert shop.statuses() == ["queued"] * 3
    with shop.database.write() as connection:
        connection.execute(update(delivery).values(status="sending"))
    shop.ended("uncertain", *shop.ids)

    assert shop.see(1, *shop.ids) == ["found"] * 3


def test_an_unproven_transaction_still_accounts_for_a_copy(shop: Shop) -> None:
    alice, *others = shop.ids
    shop.ended("uncertain", *shop.ids, together=False)
    shop.at_the_end()
    assert shop.see(1, *shop.ids) == ["unproven"] * 3
    with shop.database.write() as connection:
        connection.execute(update(delivery).where(delivery.c.id == alice).values(status="sending"))
    shop.ended("uncertain", alice)

    assert shop.see(3, alice) == ["waiting"]
    assert shop.see(4, alice) == ["found"]


def test_our_own_copy_proves_nothing(database: Database) -> None:
    """Not even one whose APPEND may not have succeeded."""
    shop = Shop(database, file_sent=True)
    shop.link()
    alice, *others = shop.ids
    shop.ended("sent", *others)
    shop.ended("uncertain", alice)
    copy = shop.jobs()[shop.message_id]
    with database.write() as connection:
        assert begin_filing(connection, copy, until=1, now=database.now())

    assert shop.see(2, alice) == ["waiting"]
    assert shop.see(3, alice) == ["found"]


def test_the_copies_of_another_message_with_the_same_message_id_prove_nothing(shop: Shop) -> None:
    """An application may hand in a finished message twice."""
    other, ids = shop.put()
    with shop.database.write() as connection:
        own = {"app_id": shop.app_id, "identifier": "same@app.test", "delivery_id": ""}
        connection.execute(insert(other_message_id), [own | {"message_id": id_} for id_ in (other, shop.message_id)])
    shop.ended("sent", *ids)
    shop.ended("uncertain", *shop.ids)

    assert shop.see(1, *shop.ids) == ["waiting"] * 3
    assert shop.see(2, *shop.ids) == ["found"] * 3


@pytest.mark.parametrize("change", [Change.CANCEL, Change.RETRY])
def test_a_delivery_that_was_canceled_or_retried_is_left_alone(shop: Shop, change: Change) -> None:
    shop.ended("uncertain", *shop.ids)
    with shop.database.write() as connection:
        record(connection, [Outcome(id_, change) for id_ in shop.ids], now=shop.database.now())
    before = shop.statuses()
    jobs = shop.jobs()
    with shop.database.write() as connection:
        assert all(is_void(connection, job) for job in jobs.values())
        for job in jobs.values():
            settle_lookup(connection, job, 1, "the folder Sent", now=shop.database.now())

    assert shop.statuses() == before


def test_a_held_delivery_whose_copy_is_found_is_sent(shop: Shop) -> None:
    """It was sent before it was held."""
    shop.ended("uncertain", *shop.ids)
    with shop.database.write() as connection:
        record(connection, [Outcome(id_, Change.HOLD) for id_ in shop.ids], now=shop.database.now())
    shop.see(1, *shop.ids)

    assert shop.statuses() == ["sent"] * 3


def test_looks_come_at_growing_intervals_until_the_end(shop: Shop) -> None:
    shop.ended("uncertain", *shop.ids)
    waits: list[int] = []
    now = shop.database.now()
    for _ in range(12):
        job = shop.jobs()[shop.ids[0]]
        with shop.database.write() as connection:
            if not put_off(connection, job, "not there", now=now):
                break
        due_at = next(row.due_at for row in shop.rows(sent_job) if row.id == job.id)
        waits.append((due_at - now) // clock.SECOND)
        now = due_at

    assert waits[:7] == [2, 4, 8, 16, 32, 64, 128]
    assert 14 * 60 < sum(waits) <= 15 * 60


def test_no_look_goes_beyond_the_expiry_of_the_message(shop: Shop) -> None:
    """The delivery then expires, and is not called sent afterwards."""
    with shop.database.write() as connection:
        connection.execute(update(delivery).values(expires_at=shop.database.now() + 60 * clock.SECOND))
    shop.ended("uncertain", *shop.ids)

    expiry = shop.rows(delivery)[0].expires_at
    assert {row.until < expiry for row in shop.rows(sent_job)} == {True}


@pytest.mark.parametrize("form", [{"relay": None}, {"protocol": "pop3"}, {"enabled": False}], ids=str)
def test_without_a_usable_mailbox_it_waits_as_with_resend(database: Database, form: dict[str, Any]) -> None:
    shop = Shop(database)
    shop.link(**form)
    shop.ended("uncertain", *shop.ids)

    assert shop.rows(sent_job) == []
    assert {json.loads(row.last_smtp)["text"] for row in shop.rows(delivery)} == {
        "lost; its copy can't be looked for, because no IMAP mailbox is linked to the relay (the mailbox's field relay)"
    }


def test_the_mailbox_that_names_its_sent_folder_is_the_one_of_its_relay(shop: Shop) -> None:
    """Two mailboxes may watch folders of one account: its copies must not be counted twice."""
    shop.link(name="second", sent_folder="Gesendet")
    shop.ended("uncertain", *shop.ids)

    assert "of the mailbox second until" in json.loads(shop.rows(delivery)[0].last_smtp)["text"]


def test_a_message_has_one_copy_to_file_whoever_is_sent_first(database: Database) -> None:
    shop = Shop(database, file_sent=True)
    shop.ended("sent", *shop.ids, together=False)

    assert [(row.id, row.kind) for row in shop.rows(sent_job)] == [(shop.message_id, COPY)]


def test_a_message_that_was_found_is_not_filed(database: Database) -> None:
    shop = Shop(database, file_sent=True)
    shop.link()
    shop.ended("uncertain", *shop.ids)
    shop.see(1, *shop.ids)

    assert COPY not in {row.kind for row in shop.rows(sent_job)}


def test_an_error_in_the_sent_folder_starts_no_new_session(shop: Shop) -> None:
    """It is shown with the mailbox, whose settings are as they were."""
    id_ = shop.link(name="third")
    with shop.database.write() as connection:
        note_sent_folder_error(connection, id_, "over quota")
    (row,) = [row for row in shop.rows(mailbox) if row.id == id_]
    assert (row.last_error, row.updated_at) == ("over quota", row.created_at)


class TestDoctor:
    """What ``mailsvc doctor`` says about Sent folders."""

    def said(self, shop: Shop) -> list[tuple[str, str]]:
        return [(found.level, found.said) for found in look_at_sent_folders(shop.database)]

    def test_a_relay_without_mailbox_is_warned_about(self, database: Database) -> None:
        shop = Shop(database)
        shop.ended("uncertain", *shop.ids)
        ((level, said),) = self.said(shop)

        assert (level, "verify works as resend" in said) == ("warning", True)

    def test_a_copy_that_is_not_filed_is_a_problem(self, database: Database) -> None:
        shop = Shop(database, file_sent=True)
        shop.link()
        shop.ended("sent", *shop.ids)
        copy = shop.jobs()[shop.message_id]
        with database.write() as connection:
            put_off(connection, copy, "over quota", now=database.now())

        ((level, said),) = self.said(shop)
        assert (level, said) == ("problem", "1 sent message could not be filed: over quota")

    def test_a_look_up_under_way_is_no_problem(self, shop: Shop) -> None:
        shop.ended("uncertain", *shop.ids)

        assert self.said(shop) == [("ok", "is in the mailbox sent; 3 deliveries are looked up")]
