"""A submission has its message's id from the commit on: what the API says before it is taken up."""

import pytest

from mailsvc.domain.ids import new_id
from tests.support.api import ApiHarness, Client
from tests.support.messages import writer
from tests.support.submissions import a_draft, add, rows_left, take_all


def test_get_answers_as_after_the_take_up(harness: ApiHarness, shop: Client) -> None:
    draft = a_draft(
        cc=["Bob <bob@example.test>"], tags=["t"], metadata={"order": "17"}, html="<p>x</p>", priority="high"
    )
    id_ = add(harness.database, draft)
    before = shop.get(f"/messages/{id_}?include=content").json
    assert before["status"] == "queued" and [d["attempts"] for d in before["deliveries"]] == [0, 0]
    take_all(harness)
    after = shop.get(f"/messages/{id_}?include=content").json
    for shown in (before, after):
        for own in shown["deliveries"]:
            del own["next_attempt_at"]  # by the queue's clock
    assert before == after


def test_a_later_message_is_scheduled(harness: ApiHarness, shop: Client) -> None:
    id_ = add(harness.database, a_draft(scheduled_at="2027-01-01T00:00:00Z"))
    assert shop.get(f"/messages/{id_}").json["status"] == "scheduled"


def test_its_events_and_attempts_are_empty_and_its_bytes_not_composed(harness: ApiHarness, shop: Client) -> None:
    id_ = add(harness.database, a_draft())
    for part in ("events", "attempts"):
        assert shop.get(f"/messages/{id_}/{part}").json == {"data": [], "next_cursor": None}
    raw = shop.get(f"/messages/{id_}/raw")
    assert (raw.status_code, raw.json["code"]) == (404, "not_composed")
    assert shop.get("/messages").json["data"] == []


def test_another_app_does_not_see_it(harness: ApiHarness, shop: Client) -> None:
    id_, blog = add(harness.database, a_draft()), writer(harness, "blog")
    for path in ("", "/events", "/attempts", "/raw"):
        assert blog.get(f"/messages/{id_}{path}").json["code"] == "not_found"
    assert blog.post(f"/messages/{id_}/cancel").status_code == 404
    assert rows_left(harness.database) == [id_]


@pytest.mark.parametrize("looked_at", [False, True])
def test_a_draft_that_can_not_be_taken_is_said_to_be_rejected(
    harness: ApiHarness, shop: Client, looked_at: bool
) -> None:
    id_ = add(harness.database, a_draft(to="nobody"))
    if looked_at:
        take_all(harness)
    for answer in (shop.get(f"/messages/{id_}"), shop.get(f"/messages/{id_}/raw"), shop.post(f"/messages/{id_}/hold")):
        assert (answer.status_code, answer.json["code"]) == (404, "submission_rejected")
        assert [error["field"] for error in answer.json["errors"]] == ["to"]


def test_a_draft_that_waits_for_a_relay_is_shown(harness: ApiHarness, alice: Client) -> None:
    id_ = add(harness.database, a_draft(), app="alice")
    shown = alice.get(f"/messages/{id_}")
    assert (shown.status_code, shown.json["status"], shown.json["relay"]) == (200, "queued", "")
    assert alice.post(f"/messages/{id_}/cancel").json["errors"][0]["field"] == "relay"


def test_a_draft_that_answers_another_row_is_shown(harness: ApiHarness, shop: Client) -> None:
    question = add(harness.database, a_draft())
    answer = add(harness.database, a_draft(in_reply_to=question))
    assert shop.get(f"/messages/{answer}").json["in_reply_to"] == question


@pytest.mark.parametrize(("action", "status"), [("cancel", "canceled"), ("hold", "held"), ("retry", "queued")])
def test_an_action_takes_it_up_first(harness: ApiHarness, shop: Client, action: str, status: str) -> None:
    id_ = add(harness.database, a_draft())
    assert shop.post(f"/messages/{id_}/{action}").json["status"] == status
    assert rows_left(harness.database) == []


def test_a_change_takes_it_up_first(harness: ApiHarness, shop: Client) -> None:
    id_ = add(harness.database, a_draft())
    changed = shop.patch(f"/messages/{id_}", {"scheduled_at": "2027-01-01T00:00:00Z"})
    assert changed.json["status"] == "scheduled" and rows_left(harness.database) == []


@pytest.mark.parametrize("furnishing", [{"max_queue": 0}])
def test_an_action_is_not_possible_while_the_queue_is_full(harness: ApiHarness, shop: Client) -> None:
    id_ = add(harness.database, a_draft())
    answer = shop.post(f"/messages/{id_}/cancel")
    assert answer.status_code == 503 and rows_left(harness.database) == [id_]


def test_the_id_of_a_repeated_key_names_the_first_message(harness: ApiHarness, shop: Client) -> None:
    first, later = (add(harness.database, a_draft(), idempotency_key="k") for _ in range(2))
    take_all(harness)
    for part in ("", "/events", "/attempts"):
        assert shop.get(f"/messages/{later}{part}").json == shop.get(f"/messages/{first}{part}").json
    assert shop.get(f"/messages/{later}/raw").data == shop.get(f"/messages/{first}/raw").data
    canceled = shop.post(f"/messages/{later}/cancel").json
    assert (canceled["id"], canceled["status"]) == (first, "canceled")


@pytest.mark.parametrize("errors", ["", "null", "[1]", '{"a": 1}', '[{"field": 1}]', "no JSON"])
def test_errors_of_another_program_are_shown(harness: ApiHarness, shop: Client, errors: str) -> None:
    id_ = add(harness.database, a_draft(), errors=errors)
    assert shop.get(f"/messages/{id_}").json["code"] == "submission_rejected"


def test_an_unknown_id_is_not_found(harness: ApiHarness, shop: Client) -> None:
    for id_ in (new_id("msg"), "msg_1"):
        for part in ("", "/events", "/attempts", "/raw"):
            assert shop.get(f"/messages/{id_}{part}").json["code"] == "not_found"
