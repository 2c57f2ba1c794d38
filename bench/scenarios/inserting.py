"""Mail by INSERT: messages per second, beside those of the batch API, and how long one takes to the relay."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from bench import mail, tlsfiles
from bench.counters import hook_sink, smtp_sink
from bench.figure import Figure, Run
from bench.peers.measure import Window, conclude, patience
from bench.postgres import cluster
from bench.processes import PeakMemory, cpu_seconds
from bench.quantiles import quantile
from bench.service import Setting, serving
from mailsvc import new_message_id

_EACH = 100  # rows a transaction
_WARM, _SAMPLES, _QUICK_SAMPLES = 10, 200, 25
_INSERT = "INSERT INTO mailsvc_submission (id, draft) VALUES ({}, {})"

Insert = Callable[[list[tuple[str, str]]], object]  # these rows, and commits


def sqlite_rate(run: Run) -> Figure:
    """By the driver alone, 100 a transaction, into the embedded database."""
    return _rate(run, None, ())


def pg_rate(run: Run) -> Figure:
    """As above, on PostgreSQL; the database's CPU counts as ours."""
    with cluster(run.directory) as database:
        return _rate(run, database.url, (database.pid,))


def latency(run: Run) -> Figure:
    """From before the commit of one row to the whole message in the relay's hands: told by the file, and by NOTIFY."""
    values = {"sqlite_p50_ms": _p50(run.directory / "by-file", None, quick=run.quick)}
    with cluster(run.directory) as database:
        values["pg_p50_ms"] = _p50(run.directory / "by-notify", database.url, quick=run.quick)
    return Figure(values)


def _rate(run: Run, url: str | None, roots: tuple[int, ...]) -> Figure:
    tls = tlsfiles.make(run.directory)
    rows = [(new_message_id(), mail.json_body(number).decode()) for number in range(run.messages)]
    with smtp_sink(tls) as sink, hook_sink() as hooks:
        with serving(run.directory, Setting(sink, tls.ca, hooks=hooks, database_url=url)) as service:
            systems = (service.pid, *roots)
            with _inserting(run.directory, url) as insert, PeakMemory(*systems) as peak:
                cpu, own, started_at = cpu_seconds(*systems), time.process_time(), time.monotonic()
                for start in range(0, len(rows), _EACH):
                    insert(rows[start : start + _EACH])
                own = time.process_time() - own
                count = sink.wait_for(run.messages, seconds=patience(run))
                window = Window(started_at, cpu_seconds(*systems) - cpu, peak.pss, own)
    return conclude(run, window, count)


def _p50(directory: Path, url: str | None, *, quick: bool) -> float:
    directory.mkdir()
    tls, waits = tlsfiles.make(directory), []
    with smtp_sink(tls) as sink, serving(directory, Setting(sink, tls.ca, database_url=url)):
        with _inserting(directory, url) as insert:
            for number in range(_WARM + (_QUICK_SAMPLES if quick else _SAMPLES)):
                time.sleep(random.uniform(0.05, 0.2))  # noqa: S311 - so that no rhythm of the service's is met
                began = time.monotonic()
                insert([(new_message_id(), mail.json_body(number).decode())])
                waits.append(sink.wait_for(number + 1, seconds=30).last_at - began)
    return quantile(waits[_WARM:], 0.5) * 1000


@contextlib.contextmanager
def _inserting(directory: Path, url: str | None) -> Iterator[Insert]:
    """What an application does: one connection, its own transactions."""
    if url is None:
        with contextlib.closing(sqlite3.connect(directory / "data" / "mailsvc.db", timeout=10)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            yield _committed(connection, _INSERT.format("?", "?"))
        return
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        yield _committed(connection, _INSERT.format("%s", "%s"))


def _committed(connection: "sqlite3.Connection | psycopg.Connection", statement: str) -> Insert:
    def insert(rows: list[tuple[str, str]]) -> None:
        connection.cursor().executemany(statement, rows)
        connection.commit()

    return insert
