"""MiB of all processes of one service: idle, then draining many small messages, then few large ones."""

import time

from bench import tlsfiles
from bench.counters import Counter, hook_sink, smtp_sink
from bench.figure import Figure, Run
from bench.load.report import load
from bench.processes import PeakMemory, memory
from bench.scenarios.throughput import require_all_accepted, target
from bench.service import Service, Setting, serving

_SETTLE_S = 3.0
_SMALL = {"kind": "code", "way": "batch", "connections": 2, "size": 1000, "messages": 100_000}
_LARGE = {"kind": "file", "way": "single", "connections": 1, "messages": 200}
_QUICK = {"code": 2000, "file": 4}


def measure(run: Run) -> Figure:
    """Each in a service of its own; the relay is paused while the queue fills, so that there is a backlog."""
    values: dict[str, float] = {}
    for name, orders in (("small", _SMALL), ("large", _LARGE)):
        directory = run.directory / name
        directory.mkdir()
        chosen = {**orders, "messages": _QUICK[str(orders["kind"])]} if run.quick else orders
        values |= _measure(Run(0, directory), name, chosen)
    return Figure(values)


def _measure(run: Run, name: str, orders: dict[str, object]) -> dict[str, float]:
    tls = tlsfiles.make(run.directory)
    with (
        smtp_sink(tls) as sink,
        hook_sink() as hooks,
        serving(run.directory, Setting(sink, tls.ca, hooks=hooks)) as service,
    ):
        time.sleep(_SETTLE_S)
        idle = memory(service.pid)
        relay = _pause(service)
        accepting = _fill(service, orders)
        draining = _drain(service, relay, sink, int(str(orders["messages"])))
    return {
        "idle_pss_mb": idle.pss,
        "idle_rss_mb": idle.rss,
        f"{name}_accepting_pss_mb": accepting.pss,
        f"{name}_pss_mb": draining.pss,
        f"{name}_rss_mb": draining.rss,
    }


def _pause(service: Service) -> str:
    relay: str = service.call("GET", "/v1/relays")["data"][0]["id"]
    service.call("POST", f"/v1/relays/{relay}/pause")
    return relay


def _fill(service: Service, orders: dict[str, object]) -> PeakMemory:
    with PeakMemory(service.pid) as peak, load("bench.load.http", {**orders, **target(service)}) as feeding:
        feeding.go()
        feeding.result(seconds=900)
        require_all_accepted(feeding.account(seconds=60)["accepted"], int(str(orders["messages"])))
    return peak


def _drain(service: Service, relay: str, sink: Counter, messages: int) -> PeakMemory:
    with PeakMemory(service.pid) as peak:
        service.call("POST", f"/v1/relays/{relay}/resume")
        sink.wait_for(messages, seconds=900)
    return peak
