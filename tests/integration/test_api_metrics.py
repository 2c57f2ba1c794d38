"""/metrics: what an operator's Prometheus sees."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, insert, update

from mailsvc import clock
from mailsvc.api import metrics
from mailsvc.api.exposition import exposition
from mailsvc.domain.relay import Relay
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.store.queue_depth import look_at_queue
from mailsvc.store.tables import delivery, worker
from mailsvc.telemetry import Meter
from tests.support.api import ApiHarness, open_harness
from tests.support.messages import a_message

RELAY = Relay(id="rly_a", name="a", host="127.0.0.1")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ApiHarness]:
    harness = open_harness(tmp_path)
    yield harness
    harness.close()


def put(harness: ApiHarness, *recipients: str) -> list[str]:
    new_message = a_message(relay=RELAY, to=recipients, now=harness.database.now())
    harness.services.outbox.intake.accept(IntakeRequest("app_1", [new_message], lambda _: Answer(202, b"{}")))
    return [row["id"] for row in new_message.deliveries]


def join(harness: ApiHarness, id_: str, meter: Meter) -> None:
    row = {
        "id": id_,
        "host": "mail1",
        "pid": 7,
        "roles": "deliver,notify",
        "started_at": 5 * clock.SECOND,
        "seen_at": 0,
    }
    with harness.database.write() as connection:
        connection.execute(insert(worker).values(**row, stats=json.dumps(meter.snapshot())))


def change(harness: ApiHarness, id_: str, **values: Any) -> None:
    with harness.database.write() as connection:
        connection.execute(update(delivery).where(delivery.c.id == id_).values(**values))


def samples(harness: ApiHarness) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels, as a parser that is not ours reads them."""
    text = exposition(harness.database, {"api": harness.services.meter}).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(harness: ApiHarness, name: str, **labels: str) -> float:
    return samples(harness)[name, frozenset(labels.items())]


def test_it_needs_no_key_and_says_its_format(harness: ApiHarness) -> None:
    """Prometheus scrapes it as it is."""
    answer = harness.flask.test_client().get("/metrics")

    assert 200 == answer.status_code
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_all_names_are_ours_and_counters_end_in_total(harness: ApiHarness) -> None:
    """What promtool checks: a prefix of our own, help for each, _total for counters alone."""
    put(harness, "alice@example.test")
    join(harness, "wrk_1", Meter())
    families = list(
        text_string_to_metric_families(exposition(harness.database, {"api": harness.services.meter}).decode())
    )

    assert len(families) >= 15
    assert all(family.name.startswith("mailsvc_") and family.documentation for family in families)
    assert all((s.name.endswith("_total")) == (f.type == "counter") for f in families for s in f.samples)


def test_the_queue_is_counted_by_what_can_be_sent_now(harness: ApiHarness) -> None:
    """Due, later and held, whatever is finished beside them."""
    _, later, held, done = put(harness, "a@example.test", "b@example.test", "c@example.test", "d@example.test")
    change(harness, later, due_at=harness.database.now() + clock.HOUR)
    change(harness, held, due_at=None, status="held")
    change(harness, done, due_at=None, expires_at=None, status="sent")

    counts = {state: value(harness, "mailsvc_queue_deliveries", state=state) for state in ("due", "later", "held")}

    assert {"due": 1, "later": 1, "held": 1} == counts


def test_the_oldest_age_counts_from_when_it_could_be_sent(harness: ApiHarness) -> None:
    """A head start in the queue's order is no waiting; an hour behind the due time is."""
    old, _ = put(harness, "alice@example.test", "bob@example.test")
    fresh = value(harness, "mailsvc_queue_oldest_age_seconds")
    now = harness.database.now()
    change(harness, old, due_at=now - clock.HOUR, created_at=now - 2 * clock.HOUR)

    assert fresh < 60
    assert 3600 == pytest.approx(value(harness, "mailsvc_queue_oldest_age_seconds"), abs=60)


def test_each_worker_has_its_own_counters(harness: ApiHarness) -> None:
    """A worker that dies ends its own series and makes no sum fall, so that rate() stays right."""
    for id_, sent in (("wrk_1", 3), ("wrk_2", 4)):
        meter = Meter()
        meter.count("attempts.sent", sent)
        meter.count("webhooks.failed", 1)
        join(harness, id_, meter)

    assert 3 == value(harness, "mailsvc_attempts_total", worker="wrk_1", result="sent")
    assert 4 == value(harness, "mailsvc_attempts_total", worker="wrk_2", result="sent")
    assert 1 == value(harness, "mailsvc_webhook_posts_total", worker="wrk_2", result="failed")


def test_latency_is_a_histogram(harness: ApiHarness) -> None:
    """Buckets are cumulative and end with all observations."""
    meter = Meter()
    for seconds in (0.004, 0.3, 9000):
        meter.observe_latency(seconds)
    join(harness, "wrk_1", meter)
    bucket = "mailsvc_accept_to_relay_seconds_bucket"

    assert 1 == value(harness, bucket, worker="wrk_1", le="0.005")
    assert 2 == value(harness, bucket, worker="wrk_1", le="0.5")
    assert 3 == value(harness, bucket, worker="wrk_1", le="+Inf")
    assert 3 == value(harness, "mailsvc_accept_to_relay_seconds_count", worker="wrk_1")


def test_events_and_the_apis_own_counters_are_there(harness: ApiHarness) -> None:
    """What the API's process did itself carries the label of no worker."""
    put(harness, "alice@example.test")

    assert 1 == value(harness, "mailsvc_messages_accepted_total", worker="api")
    assert 1 == value(harness, "mailsvc_events_total")


def test_requests_are_counted_by_the_class_of_their_answer(harness: ApiHarness) -> None:
    """An operator sees refusals and faults as rates."""
    key = ("mailsvc_http_requests_total", frozenset({("worker", "api"), ("status", "4xx")}))
    harness.flask.test_client().get("/nowhere")

    assert 1 == samples(harness)[key]


def test_counting_reads_only_partial_indexes(harness: ApiHarness) -> None:
    """Ten million finished rows must cost a scrape nothing."""
    asked: list[tuple[str, Any]] = []
    with harness.database.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda _c, _cur, sql, values, *_: asked.append((sql, values)))
        look_at_queue(connection, harness.database.now())
        counts = [(sql, values) for sql, values in asked if "count(" in sql]
        plans = [
            " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))
            for sql, values in counts
        ]

    assert len(plans) == 4
    assert all("COVERING INDEX mailsvc_" in plan for plan in plans)


def test_a_scrape_soon_after_another_gets_the_same_answer(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many scrapers cost no more than one."""
    monkeypatch.setattr(metrics, "FRESH", 3600)
    client = harness.flask.test_client()
    first = client.get("/metrics").text
    put(harness, "alice@example.test")

    assert first == client.get("/metrics").text
