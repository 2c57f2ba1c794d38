"""Handing messages in: single, by batch, raw, again under the same key, and more than there is room for."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from mailsvc.api.schemas import ProblemDocument
from mailsvc.api.submit import Accepted
from mailsvc.outbox import shared_commit
from mailsvc.store.tables import event, message
from tests.support.api import Answer, ApiHarness, Client, open_harness
from tests.support.messages import submit, writer

LETTER: dict[str, Any] = {
    "from": "Shop <orders@app.test>",
    "to": "alice@example.test",
    "subject": "Hi",
    "text": "Hello.",
}
BAD = LETTER | {"to": ["nobody"]}
RAW = b"From: a@app.test\r\nTo: b@example.test\r\n\r\nHi\r\n"


def post(client: Client, body: Any, key: str | None = None, path: str = "/messages") -> Answer:
    """POST with an Idempotency-Key; bytes are a finished message."""
    headers = {"Authorization": f"Bearer {client.key}"} | ({"Idempotency-Key": key} if key is not None else {})
    content = {"data": body, "content_type": "message/rfc822"} if isinstance(body, bytes) else {"json": body}
    response = client.flask.post("/v1" + path, headers=headers, **content)
    return Answer(response.status_code, response.headers, response.data, response.get_json(silent=True))


def stored(harness: ApiHarness) -> int:
    with harness.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(message)).scalar_one())


class TestBatch:
    def test_entries_are_answered_in_order(self, harness: ApiHarness, shop: Client) -> None:
        """A message with an id or a problem with a status, each where its entry was."""
        answer = post(shop, {"messages": [LETTER, BAD, LETTER | {"template": "x"}, LETTER]}, path="/messages/batch")
        first, second, third, fourth = answer.json["data"]
        for taken in (first, fourth):
            msgspec.convert(taken, Accepted, strict=True)
        for problem in (second, third):
            msgspec.convert(problem, ProblemDocument, strict=True)

        assert (answer.status_code, stored(harness)) == (202, 2)
        assert [e["field"] for e in second["errors"] + third["errors"]] == ["messages.1.to.0", "messages.2.template"]

    @pytest.mark.parametrize(("query", "entries"), [("?atomic=true", [LETTER, BAD]), ("", [BAD, BAD])])
    def test_an_atomic_or_wholly_invalid_batch_stores_nothing(
        self, harness: ApiHarness, shop: Client, query: str, entries: list[Any]
    ) -> None:
        """422 names every fault by its entry, and neither rows nor events remain."""
        answer = post(shop, {"messages": entries}, path="/messages/batch" + query)
        with harness.database.read() as connection:
            events = connection.execute(select(func.count()).select_from(event)).scalar_one()

        assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
        assert [e["field"] for e in answer.json["errors"]] == [
            f"messages.{n}.to.0" for n, entry in enumerate(entries) if entry is BAD
        ]
        assert (stored(harness), events) == (0, 0)

    def test_a_batch_emits_the_events_of_single_submissions(self, shop: Client) -> None:
        """One message.queued each, in order."""
        made = post(shop, {"messages": [LETTER] * 3}, path="/messages/batch?atomic=true").json["data"]
        told = shop.get("/events?after=beginning").json["data"]

        assert [(e["type"], e["sequence"], e["data"]["message_id"]) for e in told] == [
            ("message.queued", 1, m["id"]) for m in made
        ]

    @pytest.mark.parametrize(
        "body", [{"messages": []}, {"messages": [LETTER] * 1001}, {}, [LETTER], {"messages": LETTER}]
    )
    def test_the_shape_of_a_batch_is_checked(self, harness: ApiHarness, shop: Client, body: Any) -> None:
        """One to a thousand messages in a list."""
        answer = post(shop, body, path="/messages/batch")

        assert (answer.status_code, len(answer.json["errors"]), stored(harness)) == (422, 1, 0)

    def test_an_entry_that_is_too_large_fails_alone(self, tmp_path: Path) -> None:
        """413 for that entry; alone it makes the batch a 422 that names it."""
        harness = open_harness(tmp_path, max_message_bytes=100_000)
        shop, large = writer(harness, "shop"), LETTER | {"text": "x" * 200_000}
        mixed = post(shop, {"messages": [large, LETTER]}, path="/messages/batch").json["data"]
        alone = post(shop, {"messages": [large]}, path="/messages/batch")
        harness.close()

        assert (mixed[0]["status"], mixed[0]["code"], mixed[1]["status"]) == (413, "payload_too_large", "queued")
        assert (alone.status_code, alone.json["errors"][0]["field"]) == (422, "messages.0")


class TestIdempotency:
    @pytest.mark.parametrize(
        ("path", "body"), [("/messages", LETTER), ("/messages", RAW), ("/messages/batch", {"messages": [LETTER, BAD]})]
    )
    def test_a_repeated_key_returns_the_first_response(
        self, harness: ApiHarness, shop: Client, path: str, body: Any
    ) -> None:
        """Byte for byte, marked as a replay, and nothing more is stored."""
        first, again = (post(shop, body, "k1", path) for _ in range(2))

        assert (first.status_code, again.status_code, first.data) == (202, 202, again.data)
        assert [a.headers.get("Idempotent-Replayed") for a in (first, again)] == [None, "true"]
        assert stored(harness) == 1

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/messages", LETTER | {"subject": "Ho"}), ("/messages", RAW), ("/messages/batch", LETTER),
            ("/messages/batch", {"messages": [LETTER]}),
        ],
    )  # fmt: skip
    def test_a_key_stands_for_one_request(self, shop: Client, path: str, body: Any) -> None:
        """Another body or another route under the same key is a mistake of the client."""
        post(shop, LETTER, "k1")
        answer = post(shop, body, "k1", path)

        assert answer.status_code == 422
        assert answer.json["code"] in ("idempotency_mismatch", "validation_failed")
        if body is not LETTER:
            assert (answer.json["code"], answer.json["errors"][0]["field"]) == (
                "idempotency_mismatch",
                "Idempotency-Key",
            )

    def test_a_refused_request_does_not_use_its_key_up(self, harness: ApiHarness, shop: Client) -> None:
        """The client corrects it and sends it again."""
        assert [post(shop, body, "k1").status_code for body in (BAD, LETTER, LETTER)] == [422, 202, 202]
        assert stored(harness) == 1

    def test_idempotency_keys_are_separate_per_app(self, harness: ApiHarness, shop: Client) -> None:
        """Somebody else's key is no key of mine."""
        ids = {post(client, LETTER, "k1").json["id"] for client in (shop, writer(harness, "bob"))}

        assert len(ids) == 2

    @pytest.mark.parametrize(("key", "status"), [("k" * 255, 202), ("k" * 256, 422), ("", 422)])
    def test_a_key_has_1_to_255_characters(self, shop: Client, key: str, status: int) -> None:
        """422 names the header."""
        answer = post(shop, LETTER, key)

        assert answer.status_code == status
        assert status == 202 or answer.json["errors"][0]["field"] == "Idempotency-Key"

    def test_one_of_many_simultaneous_requests_is_stored(self, harness: ApiHarness, shop: Client) -> None:
        """The others wait for it and hear the same."""
        clients = [Client(harness.flask.test_client(), shop.app_id, shop.key) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda client: post(client, LETTER, "k1"), clients))

        assert {(a.status_code, a.data) for a in answers} == {(202, answers[0].data)}
        assert [a.headers.get("Idempotent-Replayed") for a in answers].count(None) == stored(harness) == 1

    def test_a_long_wait_for_the_first_request_is_answered_with_retry_after(
        self, harness: ApiHarness, shop: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """409 with Retry-After; afterwards the answer is there."""
        monkeypatch.setattr(shared_commit, "TURN_SECONDS", 0.05)
        store, begun, go_on = harness.services.outbox.intake._store, threading.Event(), threading.Event()

        def slowly(group: Any) -> None:
            begun.set()
            go_on.wait(10)
            store(group)

        monkeypatch.setattr(harness.services.outbox.intake._commits, "_commit", slowly)
        first = threading.Thread(target=post, args=(shop, LETTER, "k1"))
        first.start()
        begun.wait(10)
        other = Client(harness.flask.test_client(), shop.app_id, shop.key)
        refused = post(other, LETTER, "k1")
        go_on.set()
        first.join()

        assert (refused.status_code, refused.json["code"]) == (409, "idempotency_in_flight")
        assert int(refused.headers["Retry-After"]) >= 1
        assert post(other, LETTER, "k1").headers["Idempotent-Replayed"] == "true"


class TestRoom:
    def test_a_key_may_send_a_seconds_worth_at_once(self, tmp_path: Path) -> None:
        """From its first request on; more is a 429 that says when to come back, and other keys are not slowed."""
        harness = open_harness(tmp_path, rate_per_key=5.0)
        shop, bob = writer(harness, "shop"), writer(harness, "bob")
        answers = [post(shop, LETTER) for _ in range(40)]
        others = post(bob, LETTER)
        harness.close()
        refused = [a for a in answers if a.status_code != 202]

        assert [a.status_code for a in answers[:5]] == [202] * 5
        assert {(a.status_code, a.json["code"]) for a in refused} == {(429, "rate_limited")}
        assert all(int(a.headers["Retry-After"]) >= 1 for a in refused)
        assert "MAILSVC_RATE_PER_KEY" in refused[0].json["detail"]
        assert others.status_code == 202

    def test_a_full_queue_rejects_messages(self, tmp_path: Path) -> None:
        """503 with Retry-After, by the setting's name, for whatever would come into it."""
        harness = open_harness(tmp_path, max_queue=2)
        shop = writer(harness, "shop")
        submit(shop, "a@example.test", "b@example.test")
        harness.services.outbox.admission._looked_at = -1e9
        answers = [post(shop, LETTER), post(shop, RAW), post(shop, {"messages": [LETTER]}, path="/messages/batch")]
        kept = stored(harness)
        harness.close()

        assert {(a.status_code, a.json["code"]) for a in answers} == {(503, "unavailable")}
        assert all(int(a.headers["Retry-After"]) > 0 and "MAILSVC_MAX_QUEUE" in a.json["detail"] for a in answers)
        assert kept == 1

    def test_a_nearly_full_disk_rejects_messages(self, tmp_path: Path) -> None:
        """As soon as it is seen, and reading goes on."""
        harness = open_harness(tmp_path, min_free_disk_bytes=shutil.disk_usage(tmp_path).free * 2)
        shop = writer(harness, "shop")
        answer = post(shop, LETTER)
        listed = shop.get("/messages")
        harness.close()

        assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
        assert "MAILSVC_MIN_FREE_DISK_BYTES" in answer.json["detail"] and int(answer.headers["Retry-After"]) > 0
        assert (listed.status_code, listed.json["data"]) == (200, [])
