"""Messages per second from the first POST to the last message in the sink, events and a webhook included."""

import contextlib
from dataclasses import dataclass

from bench import tlsfiles
from bench.counters import Count, Counter, hook_sink, smtp_sink
from bench.figure import Figure, Invalid, Run
from bench.load.report import load
from bench.peers.measure import Window, conclude, patience
from bench.postgres import cluster
from bench.processes import PeakMemory, cpu_seconds
from bench.service import Service, Setting, serving

BATCH = {"way": "batch", "connections": 4, "size": 100}
SINGLE = {"way": "single", "connections": 32}


def sqlite_batch(run: Run) -> Figure:
    """Embedded SQLite, 100 messages a request."""
    return _measure(run, BATCH, None, ())


def sqlite_single(run: Run) -> Figure:
    """Embedded SQLite, one message a request over 32 connections."""
    return _measure(run, SINGLE, None, ())


def pg_batch(run: Run) -> Figure:
    """PostgreSQL, 100 messages a request; the database's CPU counts as ours."""
    with cluster(run.directory) as database:
        return _measure(run, BATCH, database.url, (database.pid,))


def pg_single(run: Run) -> Figure:
    """PostgreSQL, one message a request over 32 connections."""
    with cluster(run.directory) as database:
        return _measure(run, SINGLE, database.url, (database.pid,))


@dataclass(frozen=True, slots=True)
class _Told:
    """How the webhook's endpoint fared after the last message was in the sink."""

    count: Count
    cpu_s: float  # the service's, until it had been told everything
    own_cpu_s: float  # the endpoint's, until the last message was in the sink


def _measure(run: Run, orders: dict[str, object], database_url: str | None, more_roots: tuple[int, ...]) -> Figure:
    tls = tlsfiles.make(run.directory)
    with smtp_sink(tls) as sink, hook_sink() as hooks:
        setting = Setting(sink, tls.ca, hooks=hooks, database_url=database_url)
        with serving(run.directory, setting) as service:
            roots = (service.pid, *more_roots)
            all_orders = {**orders, **target(service), "messages": run.messages, "kind": "order"}
            with load("bench.load.http", all_orders) as feeding, PeakMemory(*roots) as peak:
                cpu = cpu_seconds(*roots)
                feeding.go()
                fed = feeding.result(seconds=patience(run))
                count = sink.wait_for(run.messages, seconds=patience(run))
                window = Window(fed["started_at"], cpu_seconds(*roots) - cpu, peak.pss, fed["cpu_s"])
                hooks_cpu_s = hooks.report().cpu_s
                told = _Told(_wait_until_told(hooks, run), cpu_seconds(*roots) - cpu, hooks_cpu_s)
                account = feeding.account(seconds=60)
    require_all_accepted(account["accepted"], run.messages)
    return _with_details(run, conclude(run, window, count), {**fed, **account}, told)


def target(service: Service) -> dict[str, object]:
    """Where a load generator posts."""
    return {"port": service.port, "key": service.key}


def require_all_accepted(accepted: int, messages: int) -> None:
    """Each message has its 202.

    Raises:
        Invalid: some have not.
    """
    if accepted != messages:
        raise Invalid(f"{accepted} of {messages} messages were accepted")


def _wait_until_told(hooks: Counter, run: Run) -> Count:
    # message.queued and message.sent for each; what is still on its way after that is shown, not waited for.
    with contextlib.suppress(Invalid):
        hooks.wait_for(2 * run.messages, seconds=30 + run.messages / 250)
    return hooks.report()


def _with_details(run: Run, figure: Figure, fed: dict[str, float], told: _Told) -> Figure:
    details = {
        "accept_rate": run.messages / (fed["ended_at"] - fed["started_at"]),
        "accept_p50_ms": fed["p50_ms"],
        "accept_p99_ms": fed["p99_ms"],
        "webhooks": told.count.distinct,
        "webhooks_s": told.count.last_at - fed["started_at"],
        "hooks_cpu": told.own_cpu_s * figure.values["rate"] / run.messages,
        "cpu_with_webhooks": told.cpu_s / run.messages * 1000,
    }
    return Figure({**figure.values, **details})
