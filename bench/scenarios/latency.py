"""How long one message takes: through an idle service to the relay, and the POST alone under half the load it bears."""

from typing import Any

from bench import tlsfiles
from bench.counters import Counter, hook_sink, smtp_sink
from bench.figure import Figure, Invalid, Run
from bench.load.report import load
from bench.peers.measure import patience
from bench.quantiles import quantile
from bench.scenarios.throughput import SINGLE, require_all_accepted, target
from bench.service import Service, Setting, serving

_WARM, _SAMPLES, _QUICK_SAMPLES = 10, 400, 50


def idle(run: Run) -> Figure:
    """From the first byte of the POST to the whole message in the relay's hands, one message at a time."""
    samples = _QUICK_SAMPLES if run.quick else _SAMPLES
    tls = tlsfiles.make(run.directory)
    with (
        smtp_sink(tls) as sink,
        hook_sink() as hooks,
        serving(run.directory, Setting(sink, tls.ca, hooks=hooks)) as service,
    ):
        _post(service, sink, {"way": "gaps", "connections": 1, "messages": _WARM})
        posted = _post(service, sink, {"way": "gaps", "connections": 1, "messages": samples})["posted"]
        arrived = sink.times()
    waits = [arrived[identity] - at for identity, at in posted.items()]
    if len(waits) != samples:
        raise Invalid(f"{len(waits)} of {samples} messages were timed")
    return _in_milliseconds(waits)


def half_load(run: Run) -> Figure:
    """POSTs at half of the rate that single messages reached end to end just before, in the same service."""
    tls = tlsfiles.make(run.directory)
    with (
        smtp_sink(tls) as sink,
        hook_sink() as hooks,
        serving(run.directory, Setting(sink, tls.ca, hooks=hooks)) as service,
    ):
        messages = max(200, run.messages // 2)
        full = _post(service, sink, {**SINGLE, "messages": messages})
        maximum = messages / (full["last_at"] - full["started_at"])
        # What the first part left to tell the webhook is not this part's load.
        hooks.wait_for(2 * messages, seconds=patience(run))
        half = _post(service, sink, {**SINGLE, "way": "paced", "rate": maximum / 2, "messages": messages})
    return Figure({"p50_ms": half["p50_ms"], "p99_ms": half["p99_ms"], "maximum_rate": maximum})


def _post(service: Service, sink: Counter, orders: dict[str, Any]) -> dict[str, Any]:
    messages = orders["messages"]
    sink.reset()
    with load("bench.load.http", {**orders, **target(service), "kind": "order"}) as feeding:
        feeding.go()
        fed = feeding.result(seconds=120)
        last_at = sink.wait_for(messages, seconds=120).last_at
        account = feeding.account(seconds=60)
    require_all_accepted(account["accepted"], messages)
    return {**fed, **account, "last_at": last_at}


def _in_milliseconds(waits: list[float]) -> Figure:
    values = {"p50_ms": quantile(waits, 0.5), "p99_ms": quantile(waits, 0.99), "max_ms": max(waits)}
    return Figure({name: seconds * 1000 for name, seconds in values.items()})
