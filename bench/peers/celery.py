"""Celery with Redis and two worker processes, in the variants that matter."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import tlsfiles
from bench.children import free_port, started, wait_for_port
from bench.counters import smtp_sink
from bench.figure import Figure, Run
from bench.load.report import load
from bench.peers import environment
from bench.peers.measure import Window, conclude, patience
from bench.processes import PeakMemory, cpu_seconds

_FEED = "bench.peers.celery_redis.feed"
_WARM = 20
_WORKER = "-m celery -A bench.peers.celery_redis.tasks worker --concurrency 2 --loglevel warning"
_WORKER_LEAN = "--without-gossip --without-mingle --without-heartbeat"


def durable(run: Run) -> Figure:
    """What survives a crash as a 202 does (appendfsync always, acks_late); a connection for each mail."""
    return _measure(run, reuse=False, fsync="always")


def durable_reusing(run: Run) -> Figure:
    """The same, by somebody who keeps one SMTP connection in each worker process."""
    return _measure(run, reuse=True, fsync="always")


def volatile(run: Run) -> Figure:
    """Redis as it is installed: nothing is on disk when the caller goes on."""
    return _measure(run, reuse=False, fsync=None)


@contextlib.contextmanager
def redis(directory: Path, *, fsync: str | None) -> Iterator[tuple[int, int]]:
    """A Redis of our own; yields port and process id."""
    port, log = free_port(), directory / "redis.log"
    command = [environment.program("redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--dir", str(directory), "--save", ""]
    if fsync:
        command += ["--appendonly", "yes", "--appendfsync", fsync]
    with started(command, log=log) as process:
        wait_for_port(port, process, log=log)
        yield port, process.pid


def _measure(run: Run, *, reuse: bool, fsync: str | None) -> Figure:
    python, tls = environment.python(), tlsfiles.make(run.directory)
    with smtp_sink(tls) as sink, redis(run.directory, fsync=fsync) as (port, redis_pid):
        env = {
            **environment.sink_environment(sink.port, tls.ca),
            "BENCH_BROKER": f"redis://127.0.0.1:{port}/0",
            "BENCH_REUSE": "1" if reuse else "0",
        }
        worker_command = [python, *_WORKER.split(), *_WORKER_LEAN.split()]
        with (
            started(worker_command, log=run.directory / "celery.log", env=env) as worker,
            load(_FEED, {"messages": run.messages}, python=python, env=env) as feeding,
            PeakMemory(worker.pid, redis_pid) as peak,
        ):
            _warm_up(python, env)
            sink.wait_for(_WARM, seconds=60)
            sink.reset()
            cpu = cpu_seconds(worker.pid, redis_pid)
            feeding.go()
            fed = feeding.result(seconds=patience(run))
            count = sink.wait_for(run.messages, seconds=patience(run))
            window = Window(fed["started_at"], cpu_seconds(worker.pid, redis_pid) - cpu, peak.pss, fed["cpu_s"])
    return conclude(run, window, count)


def _warm_up(python: str, env: Mapping[str, str]) -> None:
    """Workers that have done their imports: a cold start is of the queue, not of Celery."""
    with load(_FEED, {"messages": _WARM}, python=python, env=env) as feeding:
        feeding.go()
        feeding.result(seconds=60)
