"""The suppression list as applications keep it, and what it does to their mail."""

from typing import Any

import msgspec
import pytest

from mailsvc.api.suppressions import SuppressionObject
from tests.support.api import ApiHarness, Client
from tests.support.messages import submit, writer

ALICE = {"address": "alice@example.test"}


def listed(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/suppressions?{query}")
    assert answer.status_code == 200, answer.json
    return [s["address"] for s in answer.json["data"]]


def make(client: Client, **form: Any) -> dict[str, Any]:
    answer = client.post("/suppressions", ALICE | form)
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def told(client: Client) -> list[tuple[str, dict[str, Any]]]:
    return [(e["type"], e["data"]) for e in client.get("/events?type=suppression.*").json["data"]]


class TestObject:
    def test_the_answer_is_the_documented_object(self, shop: Client) -> None:
        """POST, GET and the event show the same thing."""
        made = make(shop, note="asked by phone", event_id="evt_01arz3ndektsv4rrffq69g5fav")
        msgspec.convert(made, SuppressionObject, strict=True)

        assert {
            "address": "alice@example.test", "reason": "manual", "tag": None, "note": "asked by phone",
            "event_id": "evt_01arz3ndektsv4rrffq69g5fav",
        }.items() <= made.items()  # fmt: skip
        assert shop.get(f"/suppressions/{made['id']}").json == made
        assert told(shop) == [("suppression.added", made)]

    def test_mail_to_a_suppressed_address_is_not_sent(self, shop: Client) -> None:
        """However its address is spelt."""
        make(shop, address="Alice@EXAMPLE.test")

        assert submit(shop, "ALICE@example.test")["status"] == "suppressed"

    def test_a_tag_covers_only_its_messages(self, shop: Client) -> None:
        """An unsubscribe from the newsletter leaves receipts alone."""
        make(shop, tag="news", reason="unsubscribe")

        assert [submit(shop, tags=tags)["status"] for tags in (["news"], ["receipt"], [])] == [
            "suppressed", "queued", "queued",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("form", "field"),
        [
            ({"address": "alice"}, "address"), ({"address": "a@b.test, c@d.test"}, "address"), ({"address": 1}, "address"),
            ({"reason": "dislike"}, "reason"), ({"notes": "x"}, "notes"), ({"note": "x" * 1001}, "note"),
            ({"tag": "a\nb"}, "tag"), ({"tag": "x" * 101}, "tag"), ({"event_id": "x"}, "event_id"),
        ],
    )  # fmt: skip
    def test_a_wrong_field_is_named(self, shop: Client, form: dict[str, Any], field: str) -> None:
        """422, and nothing is stored or told."""
        answer = shop.post("/suppressions", ALICE | form)

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
        assert (listed(shop), told(shop)) == ([], [])

    def test_a_second_one_is_a_conflict(self, shop: Client) -> None:
        """One entry for an address and tag; told once."""
        make(shop)
        make(shop, tag="news")
        answer = shop.post("/suppressions", {"address": "ALICE@example.test"})

        assert (answer.status_code, answer.json["code"]) == (409, "conflict")
        assert len(told(shop)) == 2


class TestList:
    def test_pages_follow_one_another(self, shop: Client) -> None:
        """Newest first; new entries disturb nobody."""
        for name in "abc":
            make(shop, address=f"{name}@example.test")
        first = shop.get("/suppressions?limit=2").json
        make(shop, address="d@example.test")
        rest = shop.get(f"/suppressions?limit=2&cursor={first['next_cursor']}").json

        assert [s["address"][0] for s in first["data"]] == ["c", "b"]
        assert ([s["address"][0] for s in rest["data"]], rest["next_cursor"]) == (["a"], None)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("address=ALICE@Example.test", ["alice@example.test"]), ("address=bob@example.test", []),
            ("address=alice@example.test&address=info@xn--bcher-kva.test", ["info@xn--bcher-kva.test", "alice@example.test"]),
            ("address=info@bücher.test", ["info@xn--bcher-kva.test"]), ("reason=complaint", ["info@xn--bcher-kva.test"]),
            ("reason=complaint&reason=manual", ["info@xn--bcher-kva.test", "alice@example.test"]), ("tag=news", []),
            ("address=alice@example.test&reason=complaint", []),
        ],
    )  # fmt: skip
    def test_filters(self, shop: Client, query: str, found: list[str]) -> None:
        """An address is found however it is written."""
        make(shop)
        make(shop, address="info@bücher.test", reason="complaint")

        assert listed(shop, query) == found

    @pytest.mark.parametrize("query", ["limit=0", "cursor=x", "colour=red", "reason=dislike", "metadata.a=1"])
    def test_a_wrong_argument_is_refused(self, shop: Client, query: str) -> None:
        """A misspelt filter must not list everything."""
        assert shop.get(f"/suppressions?{query}").json["errors"][0]["field"] == query.partition("=")[0]


class TestChange:
    def test_note_and_reason_may_change(self, shop: Client) -> None:
        """PATCH answers the whole object; null takes the note away."""
        made = make(shop, note="x")
        patched = shop.patch(f"/suppressions/{made['id']}", {"note": None, "reason": "complaint"}).json

        assert patched == made | {"note": None, "reason": "complaint", "updated_at": patched["updated_at"]}
        assert shop.get(f"/suppressions/{made['id']}").json == patched

    @pytest.mark.parametrize("patch", [{"address": "b@example.test"}, {"reason": "x"}, {"note": "a\0b"}, {"tags": "x"}])
    def test_a_wrong_change_changes_nothing(self, shop: Client, patch: dict[str, Any]) -> None:
        """An entry for another address is another entry."""
        made = make(shop)

        assert shop.patch(f"/suppressions/{made['id']}", patch).status_code == 422
        assert shop.get(f"/suppressions/{made['id']}").json == made

    def test_a_removed_address_can_be_mailed_again(self, shop: Client) -> None:
        """204, told once, and the next message is queued."""
        made = make(shop)
        answers = [shop.delete(f"/suppressions/{made['id']}").status_code for _ in range(2)]

        assert answers == [204, 404]
        assert told(shop) == [("suppression.added", made), ("suppression.removed", made)]
        assert submit(shop)["status"] == "queued"


class TestOthers:
    def test_an_entry_of_another_app_is_not_found(self, harness: ApiHarness, shop: Client) -> None:
        """Neither seen nor changed by another app, whose own mail it does not stop."""
        path = f"/suppressions/{make(shop)['id']}"
        bob = writer(harness, "bob")
        answers = [bob.get(path), bob.patch(path, {"note": "x"}), bob.delete(path)]

        assert {(a.status_code, a.json["code"]) for a in answers} == {(404, "not_found")}
        assert (listed(bob), listed(shop)) == ([], ["alice@example.test"])
        assert submit(bob)["status"] == "queued"

    @pytest.mark.parametrize("scope", ["read", "send"])
    def test_the_list_needs_the_admin_scope(self, harness: ApiHarness, shop: Client, scope: str) -> None:
        """Whose key only sends must not be able to mail those who complained."""
        path = f"/suppressions/{make(shop)['id']}"
        other = harness.client_of(shop.app_id, scope)
        refused = [other.post("/suppressions", ALICE), other.patch(path, {}), other.delete(path)]

        assert {(a.status_code, a.json["code"]) for a in refused} == {(403, "insufficient_scope")}
        assert other.get(path).status_code == {"read": 200, "send": 403}[scope]
