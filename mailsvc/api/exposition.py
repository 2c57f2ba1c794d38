"""The service's metrics in Prometheus' text format.

The database counts the queue, with its partial indexes. The working processes keep the counters: each worker's row
carries its own, with the label ``worker``. A dead worker's series ends, and no sum decreases, so ``rate()`` stays
right. Every host that serves one database shows the same workers and the same queue.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import select

from mailsvc import clock
from mailsvc.api.mailbox_metrics import mailbox_metrics
from mailsvc.outbox.submissions.figures import SubmissionFigures, look_at_submissions
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import mailbox
from mailsvc.store.queue_depth import QueueFigures, look_at_queue
from mailsvc.store.tables import worker
from mailsvc.telemetry import LATENCY_BUCKETS, Meter

__all__ = ["exposition"]

_COUNTERS = {
    "accepted": ("mailsvc_messages_accepted", "Messages accepted and stored durably."),
    "sessions": ("mailsvc_relay_sessions", "SMTP sessions opened or attempted."),
    "session_failures": (
        "mailsvc_relay_session_failures",
        "SMTP sessions that failed or were closed by the relay.",
    ),
    "lane_failures": (
        "mailsvc_relay_internal_errors",
        "Internal errors of mailsvc that stopped work on a relay.",
    ),
    "webhook_failures": (
        "mailsvc_webhook_internal_errors",
        "Internal errors of mailsvc that stopped posts to a webhook.",
    ),
    "chore_failures": (
        "mailsvc_upkeep_internal_errors",
        "Failed upkeep tasks.",
    ),
}
_FAMILIES = {
    "attempts": (
        "mailsvc_attempts",
        "Delivery attempts, one per recipient, by result.",
        "result",
    ),
    "webhooks": (
        "mailsvc_webhook_posts",
        "Events posted to webhooks, by result.",
        "result",
    ),
    "arrivals": (
        "mailsvc_arrivals",
        "Mails that arrived in mailboxes, by kind.",
        "kind",
    ),
    "mailbox_sessions": (
        "mailsvc_mailbox_sessions",
        "Sessions with mail servers: those in which a mailbox was read completely, and those that failed.",
        "result",
    ),
    "callbacks": (
        "mailsvc_callback_events",
        "Events that the host's callbacks were called with, by result.",
        "result",
    ),
    "requests": (
        "mailsvc_http_requests",
        "API requests, by class of the response status.",
        "status",
    ),
}
_GAUGES = {
    "connections": ("mailsvc_relay_connections", "SMTP connections open now."),
    "connections_busy": (
        "mailsvc_relay_connections_busy",
        "SMTP connections that are sending now.",
    ),
}


def exposition(database: Database, own: Mapping[str, Meter]) -> bytes:
    """Return all metrics; reads the database.

    Args:
        own: the counters of this process, by the worker's id or another name. They are newer than those in a worker's row.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(database, own))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, database: Database, own: Mapping[str, Meter]) -> None:
        self._database, self._own = database, own

    def collect(self) -> Iterable[Metric]:
        with self._database.read() as connection:
            queue = look_at_queue(connection, self._database.now())
            submissions = look_at_submissions(connection, self._database.now())
            mailboxes = connection.execute(select(mailbox).order_by(mailbox.c.id)).all()
            workers = connection.execute(select(worker).order_by(worker.c.id)).all()
        yield from _of_queue(queue)
        yield from _of_submissions(submissions)
        yield from mailbox_metrics(mailboxes, self._database.now())
        yield from _of_workers(workers)
        snapshots = {row.id: json.loads(row.stats) for row in workers}
        snapshots |= {name: meter.snapshot() for name, meter in self._own.items()}
        yield from _of_counts({who: figures.get("counts", {}) for who, figures in snapshots.items()})
        yield from _of_gauges({who: figures.get("gauges", {}) for who, figures in snapshots.items()})
        yield _latency(snapshots)
        yield from _of_pool(self._database)


def _of_queue(queue: QueueFigures) -> Iterable[Metric]:
    depth = GaugeMetricFamily(
        "mailsvc_queue_deliveries",
        "Unfinished deliveries: due now, due later (scheduled, deferred or being sent), held.",
        labels=["state"],
    )
    for state, value in (
        ("due", queue.due),
        ("later", queue.later),
        ("held", queue.held),
    ):
        depth.add_metric([state], value)
    yield depth
    yield GaugeMetricFamily(
        "mailsvc_queue_oldest_age_seconds",
        "Seconds that the oldest due delivery has waited.",
        max(0.0, queue.oldest_age),
    )
    yield GaugeMetricFamily("mailsvc_webhook_backlog", "Events waiting to be posted to webhooks.", queue.webhooks)
    yield CounterMetricFamily(
        "mailsvc_events",
        "Events appended to the feed (its last position).",
        queue.events,
    )


def _of_submissions(found: SubmissionFigures) -> Iterable[Metric]:
    rows = GaugeMetricFamily(
        "mailsvc_submissions", "Rows of mailsvc_submission: waiting, or rejected with errors.", labels=["state"]
    )
    rows.add_metric(["waiting"], found.waiting)
    rows.add_metric(["rejected"], found.rejected)
    yield rows
    yield GaugeMetricFamily(
        "mailsvc_submission_oldest_seconds", "Seconds that the oldest waiting submission has waited.", found.oldest_age
    )


def _of_workers(rows: Iterable[Any]) -> Iterable[Metric]:
    info = GaugeMetricFamily(
        "mailsvc_worker_info",
        "1 for each live worker.",
        labels=["worker", "name", "host", "roles"],
    )
    started = GaugeMetricFamily(
        "mailsvc_worker_start_time_seconds",
        "Unix time at which the worker started.",
        labels=["worker"],
    )
    for row in rows:
        name = str(json.loads(row.stats).get("name", ""))
        info.add_metric([row.id, name, row.host, row.roles], 1)
        started.add_metric([row.id], row.started_at / clock.SECOND)
    return info, started


def _of_counts(counts: Mapping[str, Mapping[str, int]]) -> Iterable[Metric]:
    for name, (metric, text) in _COUNTERS.items():
        plain = CounterMetricFamily(metric, text, labels=["worker"])
        for who, values in counts.items():
            if name in values:
                plain.add_metric([who], values[name])
        yield plain
    for prefix, (metric, text, label) in _FAMILIES.items():
        family = CounterMetricFamily(metric, text, labels=["worker", label])
        for who, values in counts.items():
            for name, value in sorted(values.items()):
                if name.startswith(prefix + "."):
                    family.add_metric([who, name.removeprefix(prefix + ".")], value)
        yield family


def _of_gauges(gauges: Mapping[str, Mapping[str, float]]) -> Iterable[Metric]:
    for name, (metric, text) in _GAUGES.items():
        family = GaugeMetricFamily(metric, text, labels=["worker"])
        for who, values in gauges.items():
            if name in values:
                family.add_metric([who], values[name])
        yield family


def _latency(snapshots: Mapping[str, Mapping[str, Any]]) -> Metric:
    family = HistogramMetricFamily(
        "mailsvc_accept_to_relay_seconds",
        "From the acceptance (or the scheduled time) to the relay's positive reply.",
        labels=["worker"],
    )
    for who, figures in snapshots.items():
        counts = figures.get("latency")
        if counts and len(counts) == len(LATENCY_BUCKETS) + 1 and any(counts):
            edges = [*map(str, LATENCY_BUCKETS), "+Inf"]
            buckets = [(edge, float(sum(counts[: n + 1]))) for n, edge in enumerate(edges)]
            family.add_metric([who], buckets=buckets, sum_value=figures["latency_sum"])
    return family


def _of_pool(database: Database) -> Iterable[Metric]:
    family = GaugeMetricFamily(
        "mailsvc_database_connections",
        "This process's database connections, by state.",
        labels=["state"],
    )
    busy, idle = database.pool_use()
    family.add_metric(["busy"], busy)
    family.add_metric(["idle"], idle)
    yield family
