"""A relay that takes its time for every reply: how much of what the round trips allow do we reach?"""

from bench import tlsfiles
from bench.counters import hook_sink, smtp_sink
from bench.figure import Figure, Run
from bench.load.report import load
from bench.peers.measure import patience
from bench.scenarios.throughput import BATCH, require_all_accepted, target
from bench.service import Setting, serving

_CONNECTIONS = 50
_DELAY_MS = 50
_ROUND_TRIPS = 1  # the final dot together with MAIL, RCPT and DATA of the next (RFC 2920 section 3.1)


def measure(run: Run) -> Figure:
    """From the first POST on, sessions to be opened included."""
    messages = run.messages // 2
    tls = tlsfiles.make(run.directory)
    with smtp_sink(tls, delay_ms=_DELAY_MS) as sink, hook_sink() as hooks:
        setting = Setting(sink, tls.ca, hooks=hooks, connections=_CONNECTIONS)
        with serving(run.directory, setting) as service:
            orders = {**BATCH, **target(service), "messages": messages, "kind": "order"}
            with load("bench.load.http", orders) as feeding:
                feeding.go()
                fed = feeding.result(seconds=patience(run))
                count = sink.wait_for(messages, seconds=patience(run))
                require_all_accepted(feeding.account(seconds=60)["accepted"], messages)
    rate = messages / (count.last_at - fed["started_at"])
    bound = _CONNECTIONS / (_ROUND_TRIPS * _DELAY_MS / 1000)
    return Figure({"percent": rate / bound * 100, "rate": rate, "connections": count.connections})
