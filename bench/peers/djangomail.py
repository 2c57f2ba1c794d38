"""django-post_office: the queue that Django projects put into their own database, at its best settings."""

from bench import tlsfiles
from bench.counters import smtp_sink
from bench.figure import Figure, Run
from bench.load.report import load
from bench.peers import environment
from bench.peers.measure import Window, conclude, patience
from bench.processes import PeakMemory, cpu_seconds


def post_office(run: Run) -> Figure:
    """SQLite, ``send_many``, two sending processes with four threads each."""
    python, tls = environment.python(), tlsfiles.make(run.directory)
    with smtp_sink(tls) as sink:
        env = {**environment.sink_environment(sink.port, tls.ca), "BENCH_DATABASE": str(run.directory / "django.db")}
        orders = {"messages": run.messages, "lockfile": str(run.directory / "post_office")}
        with (
            load("bench.peers.post_office.feed", orders, python=python, env=env) as feeding,
            PeakMemory(feeding.pid) as peak,
        ):
            cpu = cpu_seconds(feeding.pid)
            feeding.go()
            fed = feeding.result(seconds=patience(run))
            count = sink.wait_for(run.messages, seconds=10)
            window = Window(fed["started_at"], cpu_seconds(feeding.pid) - cpu, peak.pss)
    return conclude(run, window, count)
