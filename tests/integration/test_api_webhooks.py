"""The webhooks resource: endpoints, their secrets, what was posted to them, and telling again."""

import json
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from mailsvc import clock
from mailsvc.api.webhook_objects import Trial, WebhookDelivery, WebhookObject
from mailsvc.domain.signing import TrialPost
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.tables import webhook, webhook_delivery
from tests.support.api import ApiHarness, Client

URL = "https://hooks.acme.test/mail"
TRIED = {"delivered": True, "status_code": 204, "duration_ms": 3.5, "error": None}


@pytest.fixture
def posted() -> list[TrialPost]:
    return []


@pytest.fixture
def furnishing(posted: list[TrialPost]) -> dict[str, Any]:
    def post(wanted: TrialPost) -> dict[str, Any]:
        posted.append(wanted)
        return TRIED

    return {"try_webhook": post, "webhook_targets": "public"}


@pytest.fixture
def hook(alice: Client) -> dict[str, Any]:
    """Alice's webhook, as POST answered it."""
    answer = alice.post("/webhooks", {"url": URL, "events": ["message.*"]})
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def happen(harness: ApiHarness, app_id: str, *types: str, at: int | None = None) -> list[str]:
    """Events of an app, committed one by one; their ids."""
    ids = []
    for kind in types:
        news = NewEvent(app_id, kind, {})
        with harness.database.write() as connection:
            append_events(connection, [news], now=at or harness.database.now())
        ids.append(news.id)
    return ids


def settle(harness: ApiHarness, **values: Any) -> None:
    """Let every delivery be as given."""
    with harness.database.write() as connection:
        connection.execute(update(webhook_delivery).values(**values))


def rows(harness: ApiHarness) -> dict[str, Any]:
    with harness.database.read() as connection:
        return {row.event_id: row for row in connection.execute(select(webhook_delivery))}


def row_of(harness: ApiHarness, webhook_id: str) -> Any:
    with harness.database.read() as connection:
        return connection.execute(select(webhook).where(webhook.c.id == webhook_id)).one()


class TestObject:
    def test_the_answer_is_the_documented_object(self, alice: Client, hook: dict[str, Any]) -> None:
        """POST, GET and the declared model show the same members, the secret aside."""
        msgspec.convert(hook, WebhookObject)

        assert alice.get(f"/webhooks/{hook['id']}").json == hook | {"secret": "********"}
        assert alice.get("/webhooks").json["data"] == [hook | {"secret": "********"}]

    def test_the_secret_is_a_standard_one_and_stored_encrypted(self, harness: ApiHarness, hook: dict[str, Any]) -> None:
        """The public library takes it, and the table does not hold it."""
        signature = Webhook(hook["secret"]).sign("evt_1", clock.as_datetime(clock.now()), "{}")

        assert hook["secret"].startswith("whsec_")
        assert signature.startswith("v1,")
        assert hook["secret"] not in str(row_of(harness, hook["id"]))

    def test_all_events_are_the_default(self, alice: Client) -> None:
        """A URL is enough."""
        shown = alice.post("/webhooks", {"url": URL}).json

        assert (shown["events"], shown["enabled"], shown["description"], shown["managed"]) == (["*"], True, None, False)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"url": "ftp://x.test/"}, "url"),
            ({"url": "not a url"}, "url"),
            ({"url": "https://127.0.0.1/"}, "url"),
            ({"url": "https://[::1]/"}, "url"),
            ({"url": "https://169.254.169.254/latest"}, "url"),
            ({"url": "https://x.test/" + "x" * 2048}, "url"),
            ({"events": []}, "events"),
            ({"events": ["message.sent", "message.snet"]}, "events.1"),
            ({"description": "x" * 501}, "description"),
            ({"secret": "whsec_x"}, "secret"),
            ({"enabled": "yes"}, "enabled"),
        ],
    )
    def test_a_wrong_field_is_named(self, alice: Client, wrong: dict[str, Any], field: str) -> None:
        """422 says which field is at fault; forbidden addresses are refused where they are written out."""
        answer = alice.post("/webhooks", {"url": URL} | wrong)

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)

    def test_other_apps_see_nothing(self, harness: ApiHarness, hook: dict[str, Any]) -> None:
        """A foreign webhook is no webhook, whatever is done to it."""
        bob, path = harness.create_app("bob"), f"/webhooks/{hook['id']}"
        answers = [bob.get(path), bob.patch(path, {}), bob.delete(path), bob.get(path + "/deliveries")]
        answers += [bob.post(f"{path}/{verb}") for verb in ("test", "rotate-secret")]
        answers.append(bob.post(path + "/replay", {"event_id": "evt_1"}))

        assert {(a.status_code, a.json["code"]) for a in answers} == {(404, "not_found")}

    def test_a_reader_may_only_read(self, harness: ApiHarness, alice: Client, hook: dict[str, Any]) -> None:
        """Where events go to is a matter of admin keys."""
        reader, path = harness.client_of(alice.app_id, "read"), f"/webhooks/{hook['id']}"
        refused = [reader.patch(path, {}), reader.delete(path), reader.post(path + "/rotate-secret")]

        assert {a.json["code"] for a in refused} == {"insufficient_scope"}
        assert reader.get(path + "/deliveries").status_code == 200


class TestPatch:
    def test_only_what_is_given_changes(self, alice: Client, hook: dict[str, Any]) -> None:
        """A merge patch; what GET showed may be sent back with it."""
        shown = alice.get(f"/webhooks/{hook['id']}").json
        patched = alice.patch(f"/webhooks/{hook['id']}", shown | {"description": "orders"}).json

        assert patched == shown | {"description": "orders", "updated_at": patched["updated_at"]}

    def test_switching_it_on_clears_its_record(self, harness: ApiHarness, alice: Client, hook: dict[str, Any]) -> None:
        """After a repair the endpoint starts anew."""
        bad = {"enabled": False, "failing_since": 1, "disabled_reason": "it failed for five days"}
        with harness.database.write() as connection:
            connection.execute(update(webhook).values(**bad))
        before = alice.get(f"/webhooks/{hook['id']}").json
        after = alice.patch(f"/webhooks/{hook['id']}", {"enabled": True}).json

        assert (before["enabled"], before["disabled_reason"]) == (False, "it failed for five days")
        assert (after["enabled"], after["disabled_reason"], after["failing_since"]) == (True, None, None)

    @pytest.mark.parametrize(
        ("patch", "field"),
        [
            ({"url": ""}, "url"),
            ({"url": "http://10.0.0.1/"}, "url"),
            ({"events": ["x"]}, "events.0"),
            ({"secret": "x"}, "secret"),
        ],
    )
    def test_a_wrong_patch_changes_nothing(
        self, alice: Client, hook: dict[str, Any], patch: dict[str, Any], field: str
    ) -> None:
        """A patch is checked like a new webhook."""
        answer = alice.patch(f"/webhooks/{hook['id']}", patch)

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
        assert alice.get(f"/webhooks/{hook['id']}").json["updated_at"] == hook["updated_at"]


class TestDelete:
    def test_deleting_a_webhook_deletes_its_rows(
        self, harness: ApiHarness, alice: Client, hook: dict[str, Any]
    ) -> None:
        """Nothing is left of a deleted webhook."""
        happen(harness, alice.app_id, "message.sent", "message.sent")
        answer = alice.delete(f"/webhooks/{hook['id']}")

        assert (answer.status_code, alice.get(f"/webhooks/{hook['id']}").status_code) == (204, 404)
        assert rows(harness) == {}


class TestSecrets:
    def test_a_rotation_shows_the_new_secret_once(
        self, harness: ApiHarness, alice: Client, hook: dict[str, Any]
    ) -> None:
        """The old one signs along for the grace, a day unless said otherwise."""
        before = harness.database.now()
        rotated = alice.post(f"/webhooks/{hook['id']}/rotate-secret").json
        row = row_of(harness, hook["id"])

        assert rotated["secret"] not in ("********", hook["secret"])
        assert harness.services.vault.decrypt(row.old_secret) == hook["secret"]
        assert 0 <= row.old_secret_until - before - clock.DAY < clock.HOUR
        assert alice.get(f"/webhooks/{hook['id']}").json == rotated | {"secret": "********"}

    def test_without_grace_only_the_new_one_signs(
        self, alice: Client, posted: list[TrialPost], hook: dict[str, Any]
    ) -> None:
        """A leaked secret can be put out of force at once."""
        rotated = alice.post(f"/webhooks/{hook['id']}/rotate-secret", {"grace_seconds": 0}).json
        alice.post(f"/webhooks/{hook['id']}/test")

        assert (rotated["old_secret_until"], posted[0].secrets) == (None, [rotated["secret"]])

    @pytest.mark.parametrize("grace", [-1, 10**9, "day"])
    def test_an_impossible_grace_is_refused(self, alice: Client, hook: dict[str, Any], grace: Any) -> None:
        """422 names the field."""
        answer = alice.post(f"/webhooks/{hook['id']}/rotate-secret", {"grace_seconds": grace})

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "grace_seconds")


class TestTrial:
    def test_a_test_event_is_posted_with_every_secret_in_force(
        self, alice: Client, posted: list[TrialPost], hook: dict[str, Any]
    ) -> None:
        """What the application gets looks like any other event."""
        new = alice.post(f"/webhooks/{hook['id']}/rotate-secret").json["secret"]
        answer = alice.post(f"/webhooks/{hook['id']}/test")
        told = json.loads(posted[0].body)

        assert (answer.status_code, answer.json) == (200, TRIED)
        msgspec.convert(answer.json, Trial)
        assert (posted[0].url, posted[0].secrets) == (URL, [new, hook["secret"]])
        assert (told["id"], told["type"], told["data"]) == (
            posted[0].event_id, "webhook.test", {"webhook_id": hook["id"], "url": URL},
        )  # fmt: skip


class TestDeliveries:
    def test_they_are_listed_newest_first(self, harness: ApiHarness, alice: Client, hook: dict[str, Any]) -> None:
        """Only what the webhook subscribed to, each with its fate."""
        sent, _, bounced = happen(harness, alice.app_id, "message.sent", "relay.paused", "message.bounced")
        first = alice.get(f"/webhooks/{hook['id']}/deliveries?limit=1").json
        rest = alice.get(f"/webhooks/{hook['id']}/deliveries?limit=1&cursor={first['next_cursor']}").json

        assert [d["event_id"] for d in first["data"] + rest["data"]] == [bounced, sent]
        assert rest["next_cursor"] is None
        shown = msgspec.convert(first["data"][0], WebhookDelivery)
        assert (shown.type, shown.status, shown.attempts) == ("message.bounced", "queued", 0)
        assert shown.next_attempt_at is not None

    def test_a_failure_is_explained(self, harness: ApiHarness, alice: Client, hook: dict[str, Any]) -> None:
        """What the endpoint said is kept for debugging."""
        happen(harness, alice.app_id, "message.sent")
        settle(
            harness,
            status="failed",
            due_at=None,
            status_code=500,
            error="answered 500",
            response="oops",
            duration_ms=12.5,
        )
        shown = alice.get(f"/webhooks/{hook['id']}/deliveries?status=failed&status=queued").json["data"][0]

        assert (shown["status_code"], shown["response"], shown["duration_ms"]) == (500, "oops", 12.5)
        assert (shown["error"], shown["next_attempt_at"]) == ("answered 500", None)

    def test_they_can_be_filtered(self, harness: ApiHarness, alice: Client, hook: dict[str, Any]) -> None:
        """By status; another word is refused."""
        happen(harness, alice.app_id, "message.sent")

        assert alice.get(f"/webhooks/{hook['id']}/deliveries?status=failed").json["data"] == []
        assert alice.get(f"/webhooks/{hook['id']}/deliveries?status=lost").status_code == 422


class TestReplay:
    def test_one_event_is_queued_again_under_its_id(
        self, harness: ApiHarness, alice: Client, hook: dict[str, Any]
    ) -> None:
        """The row is the same one, so the webhook-id is too; its tries begin anew."""
        (id_,) = happen(harness, alice.app_id, "message.sent")
        settle(harness, status="delivered", due_at=None, attempts=3, lease_token=3)
        answer = alice.post(f"/webhooks/{hook['id']}/replay", {"event_id": id_})
        row = rows(harness)[id_]

        assert (answer.status_code, answer.json) == (200, {"queued": 1})
        assert (row.status, row.attempts, row.lease_token) == ("queued", 0, 4)
        assert row.due_at <= harness.database.now()

    def test_an_event_being_posted_is_posted_again_afterwards(
        self, harness: ApiHarness, alice: Client, hook: dict[str, Any]
    ) -> None:
        """The post under way may be the one that the endpoint lost; its result does not end the new one."""
        (id_,) = happen(harness, alice.app_id, "message.sent")
        settle(harness, status="sending", lease_token=1)

        assert alice.post(f"/webhooks/{hook['id']}/replay", {"event_id": id_}).json == {"queued": 1}
        assert (rows(harness)[id_].status, rows(harness)[id_].lease_token) == ("queued", 2)

    def test_a_range_takes_what_the_webhook_subscribes_to(self, harness: ApiHarness, alice: Client) -> None:
        """Also what happened before the webhook was there; since counts, until does not."""
        start = harness.database.now() - clock.DAY
        times = [start + n * clock.HOUR for n in range(4)]
        ids = [happen(harness, alice.app_id, "message.sent", "relay.paused", at=at)[0] for at in times]
        hook = alice.post("/webhooks", {"url": URL, "events": ["message.*"]}).json
        span = {"since": clock.rfc3339(times[1]), "until": clock.rfc3339(times[3])}

        assert alice.post(f"/webhooks/{hook['id']}/replay", span).json == {"queued": 2}
        assert set(rows(harness)) == set(ids[1:3])

    def test_types_narrow_or_widen_a_range(self, harness: ApiHarness, alice: Client, hook: dict[str, Any]) -> None:
        """Asked for by name, any event can be told."""
        happen(harness, alice.app_id, "message.sent", "relay.paused")
        span = {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z", "types": ["relay.*"]}

        assert alice.post(f"/webhooks/{hook['id']}/replay", span).json == {"queued": 1}

    def test_a_long_range_goes_in_several_transactions(
        self, harness: ApiHarness, alice: Client, hook: dict[str, Any]
    ) -> None:
        """No chunk is lost or taken twice, and other apps' events are not told."""
        bob, now = harness.create_app("bob"), harness.database.now()
        news = [NewEvent(alice.app_id if n % 2 else bob.app_id, "relay.paused", {}) for n in range(4200)]
        with harness.database.write() as connection:
            append_events(connection, news, now=now)
        span = {"since": clock.rfc3339(now), "until": clock.rfc3339(now + 1), "types": ["*"]}

        assert alice.post(f"/webhooks/{hook['id']}/replay", span).json == {"queued": 2100}

    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            ({}, "since"),
            ({"since": "2026-01-01T00:00:00Z"}, "until"),
            ({"since": "yesterday", "until": "2026-01-01T00:00:00Z"}, "since"),
            ({"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "types": ["x"]}, "types.0"),
            ({"event_id": "evt_1", "types": ["*"]}, "event_id"),
        ],
    )
    def test_a_wrong_request_is_named(
        self, alice: Client, hook: dict[str, Any], wanted: dict[str, Any], field: str
    ) -> None:
        """422 says which field is at fault."""
        answer = alice.post(f"/webhooks/{hook['id']}/replay", wanted)

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)

    def test_an_event_of_another_app_is_not_found(
        self, harness: ApiHarness, alice: Client, hook: dict[str, Any]
    ) -> None:
        """Another app's event is never told to this one."""
        (id_,) = happen(harness, harness.create_app("bob").app_id, "message.sent")

        assert alice.post(f"/webhooks/{hook['id']}/replay", {"event_id": id_}).status_code == 404

    def test_a_disabled_webhook_is_not_replayed_to(
        self, harness: ApiHarness, alice: Client, hook: dict[str, Any]
    ) -> None:
        """The rows would only be given up; the answer says what to do."""
        (id_,) = happen(harness, alice.app_id, "message.sent")
        alice.patch(f"/webhooks/{hook['id']}", {"enabled": False})
        answer = alice.post(f"/webhooks/{hook['id']}/replay", {"event_id": id_})

        assert (answer.status_code, answer.json["code"]) == (409, "conflict")
