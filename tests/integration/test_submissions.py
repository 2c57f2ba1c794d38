"""Rows of ``mailsvc_submission`` become messages: exactly once, by the rules of the API."""

import json
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from mailsvc import clock
from mailsvc.domain.ids import delivery_id, new_id
from mailsvc.outbox.submissions.rows import GROUP_BYTES, GROUP_ROWS
from mailsvc.store.submission_tables import submission, taken_submission
from mailsvc.store.tables import delivery, event, idempotency, message
from tests.support.api import ApiHarness, Client
from tests.support.messages import writer
from tests.support.submissions import a_draft, add, errors_at, rows_left, take_all


def _events(harness: ApiHarness, kind: str) -> list[dict[str, Any]]:
    with harness.database.read() as connection:
        bodies = connection.execute(select(event.c.body).where(event.c.type == kind).order_by(event.c.position))
        return [json.loads(body) for body in bodies.scalars()]


def _messages(harness: ApiHarness) -> list[str]:
    with harness.database.read() as connection:
        return list(connection.execute(select(message.c.id).order_by(message.c.id)).scalars())


def test_a_row_becomes_the_message_that_the_same_request_would_make(harness: ApiHarness, shop: Client) -> None:
    draft = a_draft(cc=["Bob <bob@example.test>"], tags=["receipt"], metadata={"order": "17"}, html="<p>Thanks</p>")
    id_ = add(harness.database, draft)
    groups = take_all(harness)
    assert [group.taken for group in groups] == [1]
    assert rows_left(harness.database) == []
    shown = shop.get(f"/messages/{id_}").json
    by_request = shop.post("/messages", draft).json
    alike = shop.get(f"/messages/{by_request['id']}").json
    for own in ("id", "message_id", "created_at", "updated_at", "deliveries"):
        shown.pop(own), alike.pop(own)
    assert shown == alike
    assert [e["data"]["message_id"] for e in _events(harness, "message.queued")][0] == id_


def test_its_ids_derive_from_the_row_and_its_times_are_those_of_the_row(harness: ApiHarness, shop: Client) -> None:
    an_hour_ago = clock.now() - clock.HOUR
    id_ = add(harness.database, a_draft(expires_in=7200), created_at=an_hour_ago)
    take_all(harness)
    shown = shop.get(f"/messages/{id_}").json
    assert shown["message_id"] == f"<{id_[4:]}@shop.test>"
    assert shown["created_at"] == clock.rfc3339(an_hour_ago)
    assert shown["deliveries"][0]["id"] == delivery_id(id_, 0)
    sent = message_from_bytes(shop.get(f"/messages/{id_}/raw").data)
    assert parsedate_to_datetime(sent["Date"]).timestamp() == an_hour_ago // clock.SECOND
    with harness.database.read() as connection:
        assert connection.execute(select(delivery.c.expires_at)).scalar_one() == an_hour_ago + 2 * clock.HOUR


def test_the_database_makes_ids_and_times_that_are_taken(harness: ApiHarness, shop: Client) -> None:
    with harness.database.write() as connection:
        for n in range(3):
            row = insert(submission).values(app="shop", draft=json.dumps(a_draft(subject=str(n)))).inline()
            connection.execute(row)
    take_all(harness)
    assert len(shop.get("/messages").json["data"]) == 3


def test_rows_are_taken_in_the_order_of_their_ids(harness: ApiHarness, shop: Client) -> None:
    ids = [new_id("msg") for _ in range(5)]
    for id_ in reversed(ids):
        add(harness.database, a_draft(), id=id_)
    take_all(harness)
    assert [e["data"]["message_id"] for e in _events(harness, "message.queued")] == ids


@pytest.mark.parametrize(
    ("draft", "field", "code", "part"),
    [
        ("{", "", "invalid_request", "the draft is not valid JSON"),
        ("[]", "", "validation_failed", "must be an object"),
        ("5", "", "validation_failed", "must be an object"),
        ('{"a": 1, "a": 2}', "", "invalid_request", "twice"),
        (a_draft(colour="red"), "colour", "validation_failed", "is not a field here"),
        (a_draft(to="nobody"), "to", "validation_failed", ""),
        (a_draft(subject="a\0b"), "subject", "validation_failed", ""),
        (a_draft(text="\ud800"), "text", "validation_failed", ""),
        (a_draft(relay="nowhere"), "relay", "validation_failed", "there is no relay"),
        (a_draft(in_reply_to="msg_" + "0" * 26), "in_reply_to", "validation_failed", "no such message"),
        ("[" * 100_000, "", "invalid_request", "nested too deeply"),
    ],
)
def test_what_the_api_would_refuse_stays_with_its_errors(
    harness: ApiHarness, shop: Client, draft: Any, field: str, code: str, part: str
) -> None:
    bad, good = add(harness.database, draft, idempotency_key="order-17"), add(harness.database, a_draft())
    (group,) = take_all(harness)
    assert (group.taken, group.refused) == (1, 1)
    errors = errors_at(harness.database, bad)
    assert (errors[0]["field"], errors[0]["code"]) == (field, code) and part in errors[0]["detail"]
    assert _messages(harness) == [good]
    (told,) = _events(harness, "submission.rejected")
    assert told["data"] == {"submission_id": bad, "app": "shop", "errors": errors, "idempotency_key": "order-17"}
    assert take_all(harness) == []  # it is not looked at again


def test_a_mended_row_is_taken_up(harness: ApiHarness, shop: Client) -> None:
    id_ = add(harness.database, a_draft(to="nobody"))
    take_all(harness)
    with harness.database.write() as connection:
        connection.execute(
            update(submission).where(submission.c.id == id_).values(draft=json.dumps(a_draft()), errors=None)
        )
    take_all(harness)
    assert _messages(harness) == [id_] and rows_left(harness.database) == []


def test_a_row_of_an_unknown_app_is_told_in_the_first_apps_feed(harness: ApiHarness) -> None:
    first, _ = writer(harness, "first"), writer(harness, "shop")
    id_ = add(harness.database, a_draft(), app="shpo")
    take_all(harness)
    assert errors_at(harness.database, id_)[0]["field"] == "app"
    told = first.get("/events?after=beginning&type=submission.rejected").json["data"]
    assert [(e["data"]["submission_id"], e["data"]["app"]) for e in told] == [(id_, "shpo")]


@pytest.mark.parametrize(
    "id_", ["17", "msg_", "msg_01HF3XABCDEFGHJKMNPQRSTVWX", "msg_" + "u" * 26, "dlv_" + "0" * 26, ""]
)
def test_an_id_of_another_form_is_refused(harness: ApiHarness, shop: Client, id_: str) -> None:
    add(harness.database, a_draft(), id=id_)
    take_all(harness)
    assert [e["field"] for e in errors_at(harness.database, id_)] == ["id"]


@pytest.mark.parametrize("created_at", [0, -1, 1_700_000_000, 2**62])
def test_a_time_that_is_not_in_microseconds_is_refused(harness: ApiHarness, shop: Client, created_at: int) -> None:
    id_ = add(harness.database, a_draft(), created_at=created_at)
    take_all(harness)
    assert [e["field"] for e in errors_at(harness.database, id_)] == ["created_at"]


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_of_a_wrong_length_is_refused(harness: ApiHarness, shop: Client, key: str) -> None:
    id_ = add(harness.database, a_draft(), idempotency_key=key)
    take_all(harness)
    assert [e["field"] for e in errors_at(harness.database, id_)] == ["idempotency_key"]


class TestRepetitions:
    def test_a_repeated_key_with_the_same_draft_names_the_first_message(
        self, harness: ApiHarness, shop: Client
    ) -> None:
        first, same = (add(harness.database, a_draft(), idempotency_key="order-17") for _ in range(2))
        take_all(harness)
        later = add(harness.database, a_draft(), idempotency_key="order-17")
        take_all(harness)
        assert _messages(harness) == [first] and rows_left(harness.database) == []
        with harness.database.read() as connection:
            names = connection.execute(select(taken_submission.c.id, taken_submission.c.message_id)).all()
        assert {tuple(row) for row in names} == {(first, first), (same, first), (later, first)}

    def test_the_order_of_members_and_spaces_make_no_other_draft(self, harness: ApiHarness, shop: Client) -> None:
        draft = a_draft()
        add(harness.database, json.dumps(draft), idempotency_key="k")
        add(harness.database, json.dumps(dict(reversed(draft.items())), indent=2), idempotency_key="k")
        take_all(harness)
        assert len(_messages(harness)) == 1 and rows_left(harness.database) == []

    @pytest.mark.parametrize("rounds", [1, 2])
    def test_a_repeated_key_with_another_draft_is_refused(self, harness: ApiHarness, shop: Client, rounds: int) -> None:
        first = add(harness.database, a_draft(), idempotency_key="k")
        if rounds == 2:
            take_all(harness)
        other = add(harness.database, a_draft(subject="Other"), idempotency_key="k")
        take_all(harness)
        assert _messages(harness) == [first]
        (error,) = errors_at(harness.database, other)
        assert (error["field"], error["code"]) == ("idempotency_key", "idempotency_mismatch")

    def test_the_keys_of_rows_are_not_those_of_requests(self, harness: ApiHarness, shop: Client) -> None:
        shop.call("POST", "/messages", a_draft())
        add(harness.database, a_draft(), idempotency_key="k")
        take_all(harness)
        with harness.database.read() as connection:
            assert connection.execute(select(idempotency.c.key)).scalars().all() == ["\nk"]

    def test_apps_have_keys_of_their_own(self, harness: ApiHarness, shop: Client) -> None:
        writer(harness, "blog")
        add(harness.database, a_draft(), idempotency_key="k")
        add(harness.database, a_draft(subject="Other"), idempotency_key="k", app="blog")
        take_all(harness)
        assert len(_messages(harness)) == 2

    def test_a_row_that_was_taken_up_before_is_not_sent_again(self, harness: ApiHarness, shop: Client) -> None:
        id_ = add(harness.database, a_draft())
        take_all(harness)
        add(harness.database, a_draft(), id=id_)
        (group,) = take_all(harness)
        assert (group.taken, group.removed) == (0, 1)
        assert _messages(harness) == [id_] and rows_left(harness.database) == []

    def test_the_id_of_another_message_is_refused(self, harness: ApiHarness, shop: Client) -> None:
        id_ = add(harness.database, a_draft())
        by_request = shop.post("/messages", a_draft()).json["id"]
        take_all(harness)
        writer(harness, "blog")
        add(harness.database, a_draft(subject="Other"), id=id_)
        take_all(harness)
        add(harness.database, a_draft(), id=by_request, app="blog")
        take_all(harness)
        for taken in (id_, by_request):
            assert [e["field"] for e in errors_at(harness.database, taken)] == ["id"]


class TestGroups:
    def test_a_group_holds_five_hundred_rows(self, harness: ApiHarness, shop: Client) -> None:
        rows = [{"id": new_id("msg"), "app": "shop", "draft": json.dumps(a_draft())} for _ in range(GROUP_ROWS + 1)]
        with harness.database.write() as connection:
            connection.execute(insert(submission), rows)
        (group,) = take_all(harness)
        assert (group.taken, group.is_full) == (GROUP_ROWS, True)
        (group,) = take_all(harness)
        assert (group.taken, group.is_full) == (1, False)

    def test_a_group_holds_eight_mebibytes(self, harness: ApiHarness, shop: Client) -> None:
        for _ in range(3):
            add(harness.database, a_draft(text="x" * (GROUP_BYTES // 3) + "\n"))
        (group,) = take_all(harness)
        assert (group.taken, group.is_full) == (2, True)

    @pytest.mark.parametrize("furnishing", [{"max_request_bytes": 100_000}])
    def test_a_draft_over_the_limit_is_refused_unread(self, harness: ApiHarness, shop: Client) -> None:
        small, large = add(harness.database, a_draft()), add(harness.database, a_draft(text="x" * 100_000))
        (group,) = take_all(harness)
        assert (group.taken, group.refused) == (1, 1)
        (error,) = errors_at(harness.database, large)
        assert error["code"] == "payload_too_large" and "MAILSVC_MAX_REQUEST_BYTES" in error["detail"]
        assert _messages(harness) == [small]

    def test_a_message_that_answers_a_row_waits_for_it(self, harness: ApiHarness, shop: Client) -> None:
        question = add(harness.database, a_draft())
        answer = add(harness.database, a_draft(in_reply_to=question))
        (group,) = take_all(harness)
        assert [row.id for row, _ in group.left] == [answer]
        take_all(harness)
        assert _messages(harness) == [question, answer]

    def test_rows_without_a_usable_relay_stay(self, harness: ApiHarness, alice: Client) -> None:
        id_ = add(harness.database, a_draft(), app="alice")
        (group,) = take_all(harness)
        assert [row.id for row, _ in group.left] == [id_] and not group.hindrance
        assert errors_at(harness.database, id_) is None

    def test_what_the_queue_has_no_room_for_stays(self, harness: ApiHarness, shop: Client) -> None:
        ids = [add(harness.database, a_draft()) for _ in range(3)]
        (group,) = take_all(harness, max_queue=2)
        assert group.taken == 2 and group.hindrance and [row.id for row, _ in group.left] == ids[2:]
        assert rows_left(harness.database) == ids[2:] and errors_at(harness.database, ids[2]) is None

    def test_a_row_that_no_transaction_can_store_keeps_no_other_back(
        self, harness: ApiHarness, shop: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [add(harness.database, a_draft(subject=str(n))) for n in range(3)]
        # A conflict that no check foresees: the delivery's id is taken.
        with harness.database.write() as connection:
            take_all_of = {"message_id": "msg_other", "app_id": "x", "relay_id": "x", "recipient": "x", "kind": "to"}
            numbers = {"status": "sent", "attempts": 0, "lease_token": 0, "uncertain": False}
            times = {"created_at": 1, "updated_at": 1}
            connection.execute(insert(delivery).values(id=delivery_id(ids[1], 0), **take_all_of, **numbers, **times))
        (group,) = take_all(harness)
        assert group.taken == 2 and [row.id for row, _ in group.left] == [ids[1]]
        assert rows_left(harness.database) == [ids[1]]
        with harness.database.write() as connection:
            connection.execute(delete(delivery).where(delivery.c.message_id == "msg_other"))
        take_all(harness)
        assert _messages(harness) == ids

    def test_a_suppressed_recipient_is_suppressed_at_take_up(self, harness: ApiHarness, shop: Client) -> None:
        shop.post("/suppressions", {"address": "ann@example.test"})
        id_ = add(harness.database, a_draft())
        take_all(harness)
        assert shop.get(f"/messages/{id_}").json["status"] == "suppressed"

    def test_what_stays_of_a_row_is_its_name(self, harness: ApiHarness, shop: Client) -> None:
        id_ = add(harness.database, a_draft())
        take_all(harness)
        with harness.database.read() as connection:
            row = connection.execute(select(taken_submission)).one()
        assert (row.id, row.message_id, row.app_id) == (id_, id_, shop.app_id)
