"""The webhook worker from the event's row to the application's endpoint and back, over real HTTP."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, text, update
from standardwebhooks import Webhook

from mailsvc import clock
from mailsvc.domain.signing import TrialPost
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.database import Database
from mailsvc.store.tables import event, webhook, webhook_delivery
from mailsvc.webhooks import worker
from mailsvc.webhooks.claim import take
from mailsvc.webhooks.post import Poster
from mailsvc.webhooks.trial import post_now
from mailsvc.webhooks.worker import WebhookWorker
from tests.support.api import ApiHarness, Client
from tests.support.webhook_sink import PATIENCE, Sink, open_sink

SECRET = "whsec_" + "QUJD" * 10


@pytest.fixture
def sink() -> Iterator[Sink]:
    with open_sink() as sink:
        yield sink


@pytest.fixture
def furnishing() -> dict[str, Any]:
    return {"webhook_targets": "any"}


@contextmanager
def working(harness: ApiHarness) -> Iterator[Callable[[], object]]:
    """A worker that works until the block ends, and then drains; gives what wakes it."""
    parts = harness.services
    worker = WebhookWorker(parts.database, parts.vault, parts.bell, owner="wrk_test", poster=Poster("any"))
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def work() -> None:
        stop = asyncio.Event()
        started.append((asyncio.get_running_loop(), stop))
        ready.set()
        await worker.run(stop)

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    ready.wait()
    loop, stop = started[0]
    try:
        yield partial(loop.call_soon_threadsafe, worker.wake)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def subscribe(alice: Client, sink: Sink, path: str, *events: str) -> dict[str, Any]:
    """A webhook of Alice's, its secret included."""
    answer = alice.post("/webhooks", {"url": sink.url(path), "events": list(events) or ["message.*"]})
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def happen(harness: ApiHarness, alice: Client, count: int = 1) -> list[str]:
    """So many messages are sent; the ids of the events."""
    news = [NewEvent(alice.app_id, "message.sent", {"recipient": "böb@example.test"}) for _ in range(count)]
    with harness.database.write() as connection:
        append_events(connection, news, now=harness.database.now())
    return [item.id for item in news]


def row_of(harness: ApiHarness, event_id: str, hook: dict[str, Any]) -> Any:
    table = webhook_delivery
    with harness.database.read() as connection:
        own = (table.c.event_id == event_id) & (table.c.webhook_id == hook["id"])
        return connection.execute(select(table).where(own)).one()


def settled(harness: ApiHarness, event_id: str, hook: dict[str, Any], attempts: int = 1) -> Any:
    """The row once so many attempts are written down and it is not under way."""

    def look() -> Any:
        row = row_of(harness, event_id, hook)
        return row if row.attempts >= attempts and row.status != "sending" else None

    return eventually(look)


def eventually(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, as soon as it finds something; a committed row rings no bell for tests."""
    pause, deadline = threading.Event(), clock.monotonic() + PATIENCE
    while not (found := look()):
        assert clock.monotonic() < deadline, "it never happened"
        pause.wait(0.005)
    return found


def advance(harness: ApiHarness, event_id: str) -> None:
    """The time of the next attempt has come."""
    with harness.database.write() as connection:
        due = update(webhook_delivery).where(webhook_delivery.c.event_id == event_id)
        connection.execute(due.values(due_at=harness.database.now()))


def change_hook(harness: ApiHarness, hook: dict[str, Any], **values: Any) -> None:
    with harness.database.write() as connection:
        connection.execute(update(webhook).where(webhook.c.id == hook["id"]).values(**values))


def disabled(harness: ApiHarness, hook: dict[str, Any]) -> Any:
    """The webhook's row once it is disabled."""

    def look() -> Any:
        with harness.database.read() as connection:
            return connection.execute(select(webhook).where(webhook.c.id == hook["id"], ~webhook.c.enabled)).first()

    return eventually(look)


def test_an_event_is_posted_signed(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """The public library accepts it, and the body is the event as the feed has it."""
    hook = subscribe(alice, sink, "/a")
    (id_,) = happen(harness, alice)
    with working(harness):
        (told,) = sink.wait("/a")
        row = settled(harness, id_, hook)
    with harness.database.read() as connection:
        stored = connection.execute(select(event.c.body)).scalar_one()

    assert Webhook(hook["secret"]).verify(told.body, told.headers) == json.loads(stored)
    assert (told.id, told.body.decode()) == (id_, stored)
    assert (row.status, row.due_at, row.status_code, row.attempts) == ("delivered", None, 204, 1)


def test_a_failure_is_retried_by_the_schedule(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """5 seconds, then 5 minutes, a fifth more or less, under the same id; the answer is kept until it succeeds."""
    hook = subscribe(alice, sink, "/a")
    sink.answers["/a"].extend([500, 302])
    (id_,) = happen(harness, alice)
    with working(harness) as wake:
        rows = []
        for attempts in (1, 2, 3):
            rows.append(settled(harness, id_, hook, attempts))
            if rows[-1].due_at:
                advance(harness, id_)
                wake()
    waits = [(row.due_at - row.updated_at) / clock.SECOND for row in rows[:2]]

    assert [(row.status, row.status_code, row.response) for row in rows] == [
        ("queued", 500, "no thanks"), ("queued", 302, "no thanks"), ("delivered", 204, None),
    ]  # fmt: skip
    assert (4 <= waits[0] <= 6, 240 <= waits[1] <= 360) == (True, True)
    assert [told.id for told in sink.told("/a")] == [id_] * 3


def test_a_dead_address_is_a_failure_too(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """Nobody listens: it is tried again, and the error says what happened."""
    hook = alice.post("/webhooks", {"url": "http://127.0.0.1:9/"}).json
    (id_,) = happen(harness, alice)
    with working(harness):
        row = settled(harness, id_, hook)

    assert (row.status, row.status_code, row.response) == ("queued", None, None)
    assert row.error


def test_the_last_failure_ends_it(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """After the last try of the schedule the row rests, to be replayed on request."""
    hook = subscribe(alice, sink, "/a")
    sink.answers["/a"].append(503)
    (id_,) = happen(harness, alice)
    with harness.database.write() as connection:
        connection.execute(update(webhook_delivery).values(attempts=9))
    with working(harness):
        row = settled(harness, id_, hook, 10)

    assert (row.status, row.due_at, row.attempts) == ("failed", None, 10)


def test_a_410_response_disables_the_webhook(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """410 means never again: what waited is given up, and the others are told once."""
    hook, other = subscribe(alice, sink, "/gone"), subscribe(alice, sink, "/other", "webhook.disabled")
    sink.answers["/gone"].extend([410] * 5)
    ids = happen(harness, alice, 5)
    with working(harness):
        row = disabled(harness, hook)
        (told,) = sink.wait("/other")
        rows = [settled(harness, id_, hook, 0) for id_ in ids]

    data = {"webhook_id": hook["id"], "url": hook["url"], "reason": "it answered 410 Gone"}
    assert (row.disabled_reason, {r.status for r in rows}) == ("it answered 410 Gone", {"failed"})
    assert Webhook(other["secret"]).verify(told.body, told.headers)["data"] == data
    assert len(sink.told("/other")) == 1


def test_five_days_of_failures_disable_the_webhook(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """Nothing but failure for five days: it gets no more events until somebody looks after it."""
    hook = subscribe(alice, sink, "/a")
    sink.answers["/a"].append(500)
    change_hook(harness, hook, failing_since=harness.database.now() - 5 * clock.DAY)
    (id_,) = happen(harness, alice)
    with working(harness):
        row = disabled(harness, hook)

    assert row.disabled_reason == "it failed for five days"
    assert row_of(harness, id_, hook).status == "failed"


def test_a_success_clears_failing_since(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """An endpoint that works again has all its days again."""
    hook = subscribe(alice, sink, "/a")
    change_hook(harness, hook, failing_since=harness.database.now() - 4 * clock.DAY)
    (id_,) = happen(harness, alice)
    with working(harness):
        settled(harness, id_, hook)

    assert alice.get(f"/webhooks/{hook['id']}").json["failing_since"] is None


def test_a_failure_sets_failing_since(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """The five days are counted from the first failure."""
    hook = subscribe(alice, sink, "/a")
    sink.answers["/a"].append(500)
    (id_,) = happen(harness, alice)
    with working(harness):
        row = settled(harness, id_, hook)

    assert alice.get(f"/webhooks/{hook['id']}").json["failing_since"] == clock.rfc3339(row.updated_at)


def test_a_hanging_endpoint_delays_no_other(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """While one endpoint lets everybody wait, the other gets all that there is for it."""
    hung, quick = subscribe(alice, sink, "/hung"), subscribe(alice, sink, "/quick")
    sink.hanging.add("/hung")
    ids = happen(harness, alice, 60)
    with working(harness):
        told = sink.wait("/quick", len(ids))
        hanging = len(sink.told("/hung"))
        for id_ in ids:
            settled(harness, id_, quick)
        sink.release("/hung")
        for id_ in ids:
            settled(harness, id_, hung)

    assert sorted(t.id for t in told) == ids
    assert 1 <= hanging <= 8  # no more than one endpoint may have under way


def test_a_rotation_signs_with_both_secrets(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """An application may take over the new secret at any time within the grace."""
    hook = subscribe(alice, sink, "/a")
    new = alice.post(f"/webhooks/{hook['id']}/rotate-secret").json["secret"]
    happen(harness, alice)
    with working(harness):
        (told,) = sink.wait("/a")

    verified = [Webhook(secret).verify(told.body, told.headers)["id"] for secret in (new, hook["secret"])]
    assert verified == [told.id] * 2


def test_after_the_grace_only_the_new_secret_signs(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """An old secret is out of force when its time is up."""
    hook = subscribe(alice, sink, "/a")
    alice.post(f"/webhooks/{hook['id']}/rotate-secret")
    change_hook(harness, hook, old_secret_until=harness.database.now() - 1)
    happen(harness, alice)
    with working(harness):
        (told,) = sink.wait("/a")

    assert len(told.headers["webhook-signature"].split()) == 1


def test_a_replay_keeps_the_webhook_id(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """The application can tell that it has seen the event before."""
    hook = subscribe(alice, sink, "/a")
    (id_,) = happen(harness, alice)
    with working(harness) as wake:
        settled(harness, id_, hook)
        alice.post(f"/webhooks/{hook['id']}/replay", {"event_id": id_})
        wake()
        told = sink.wait("/a", 2)

    assert [(t.id, t.body) for t in told] == [(id_, told[0].body)] * 2


def test_nothing_is_posted_to_a_disabled_webhook(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """What waits for a webhook that was switched off is given up, with the reason."""
    hook = subscribe(alice, sink, "/a")
    (id_,) = happen(harness, alice)
    alice.patch(f"/webhooks/{hook['id']}", {"enabled": False})
    with working(harness):
        eventually(lambda: row_of(harness, id_, hook).due_at is None)
    row = row_of(harness, id_, hook)

    assert (row.status, row.error, sink.told("/a")) == ("failed", "webhook disabled", [])


def test_an_undecryptable_secret_counts_as_a_failure(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """A lost MAILSVC_SECRET_KEY does not leave rows leased for ever: they are tried again and say why."""
    hook = subscribe(alice, sink, "/a")
    change_hook(harness, hook, secret="gAAAA")
    (id_,) = happen(harness, alice)
    with working(harness):
        row = settled(harness, id_, hook)

    assert (row.status, row.status_code, sink.told("/a")) == ("queued", None, [])
    assert "MAILSVC_SECRET_KEY" in row.error


def test_stopping_lets_a_post_finish(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """What is under way when the worker is stopped is answered and written down."""
    hook = subscribe(alice, sink, "/a")
    sink.hanging.add("/a")
    (id_,) = happen(harness, alice)
    with working(harness):
        sink.wait("/a")
        threading.Timer(0.1, sink.release, ["/a"]).start()

    assert row_of(harness, id_, hook).status == "delivered"


def test_a_stop_between_claims_is_noticed(
    harness: ApiHarness, alice: Client, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not taken for news, to be followed by a rest."""
    monkeypatch.setattr("mailsvc.runtime.claimloop.POLL_SECONDS", 3600.0)
    hook = subscribe(alice, sink, "/a")
    (id_,) = happen(harness, alice)
    with working(harness):
        row = settled(harness, id_, hook)

    assert row.status == "delivered"


@pytest.mark.parametrize(("status", "delivered"), [(204, True), (302, False)])
def test_a_trial_is_posted_at_once(sink: Sink, status: int, delivered: bool) -> None:  # noqa: FBT001
    """Signed like everything else, without a worker; the answer tells how it went."""
    sink.answers["/a"].append(status)
    answer = post_now("any", None, TrialPost(sink.url("/a"), None, b"{}", [SECRET], "evt_1"))
    (told,) = sink.told("/a")

    assert (answer["delivered"], answer["status_code"], told.id) == (delivered, status, "evt_1")
    Webhook(SECRET).verify(told.body, told.headers)


def test_a_redirect_is_explained(sink: Sink) -> None:
    """It is not followed, and says so with where it leads."""
    sink.answers["/a"].append(302)
    answer = post_now("any", None, TrialPost(sink.url("/a"), None, b"{}", [SECRET], "evt_1"))

    assert "redirects are not followed" in answer["error"]


def test_a_trial_respects_the_allowed_targets(sink: Sink) -> None:
    """Public targets only: a request that names this host is not made."""
    answer = post_now("public", None, TrialPost(sink.url("/a"), None, b"{}", [SECRET], "evt_1"))

    assert (answer["delivered"], answer["status_code"], sink.told("/a")) == (False, None, [])
    assert "MAILSVC_WEBHOOK_TARGETS" in answer["error"]


def hook_row(harness: ApiHarness, hook: dict[str, Any]) -> Any:
    with harness.database.read() as connection:
        return connection.execute(select(webhook).where(webhook.c.id == hook["id"])).one()


def poison(harness: ApiHarness, statement: str, **values: str) -> None:
    if harness.database.dialect == "postgresql":
        pytest.skip("PostgreSQL holds columns to their types")
    with harness.database.write() as connection:
        connection.execute(text(statement), values)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mailsvc_webhook_delivery SET attempts = 'many' WHERE webhook_id = :hook",
        "UPDATE mailsvc_webhook_delivery SET webhook_id = x'ff' WHERE webhook_id = :hook",
        "UPDATE mailsvc_webhook_delivery SET due_at = 'soon' WHERE webhook_id = :hook",
        "UPDATE mailsvc_webhook SET secret = x'ff' WHERE id = :hook",
        "UPDATE mailsvc_webhook SET url = 7 WHERE id = :hook",
    ],
)
def test_unreadable_rows_of_a_webhook_affect_no_other(
    harness: ApiHarness, alice: Client, sink: Sink, statement: str
) -> None:
    """SQLite lets a row say anything; the other webhooks are told."""
    bad, good = subscribe(alice, sink, "/bad"), subscribe(alice, sink, "/good")
    first = happen(harness, alice, 2)
    poison(harness, statement, hook=bad["id"])
    with working(harness):
        for id_ in first:
            assert settled(harness, id_, good).status == "delivered"
        second = happen(harness, alice, 2)
        for id_ in second:
            assert settled(harness, id_, good).status == "delivered"

    assert {told.id for told in sink.told("/good")} == {*first, *second}


def test_an_unreadable_event_affects_no_other(harness: ApiHarness, alice: Client, sink: Sink) -> None:
    """The same webhook is told of the others, and the delivery says that this one is lost."""
    hook = subscribe(alice, sink, "/a")
    ids = happen(harness, alice, 3)
    poison(harness, "UPDATE mailsvc_event SET body = x'ff' WHERE id = :event", event=ids[0])
    with working(harness):
        for id_ in ids[1:]:
            assert settled(harness, id_, hook).status == "delivered"
        lost = eventually(lambda: row if (row := row_of(harness, ids[0], hook)).status == "failed" else None)

    assert lost.due_at is None


def test_an_internal_error_for_one_webhook_affects_no_other(
    harness: ApiHarness, alice: Client, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left alone for a while, says since when it fails, and the others are told."""
    bad, good = subscribe(alice, sink, "/bad"), subscribe(alice, sink, "/good")

    def taken(database: Database, wanted: list[Any], *, owner: str) -> Any:
        if any(lane.id == bad["id"] for lane in wanted):
            raise ZeroDivisionError("nobody foresaw it")
        return take(database, wanted, owner=owner)

    monkeypatch.setattr(worker, "take", taken)
    ids = happen(harness, alice, 3)
    with working(harness):
        for id_ in ids:
            assert settled(harness, id_, good).status == "delivered"
        failing = eventually(lambda: hook_row(harness, bad).failing_since)

    assert failing
    assert {row_of(harness, id_, bad).status for id_ in ids} == {"queued"}
    assert hook_row(harness, good).failing_since is None
