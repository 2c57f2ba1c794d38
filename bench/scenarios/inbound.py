"""Reading mailboxes: how quickly, how soon after a mail's arrival, and what it takes while nothing arrives."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench import mailboxes, tlsfiles
from bench.counters import hook_sink, smtp_sink
from bench.figure import Figure, Invalid, Run
from bench.mixedmails import mixed_mail
from bench.peers.measure import patience
from bench.processes import PeakMemory, cpu_seconds, memory, named
from bench.quantiles import quantile
from bench.service import Service, Setting, serving

_SAMPLES, _QUICK_SAMPLES = 60, 10
_IDLE, _QUICK_IDLE = 200, 5  # mailboxes
_IDLE_S, _QUICK_IDLE_S = 60.0, 5.0
_LARGE, _QUICK_LARGE = 200_000, 1000  # mails


def imap(run: Run) -> Figure:
    """A folder that is full when the service starts to read it, until the last event is committed."""
    return _read_all(run, "imaps")


def pop3(run: Run) -> Figure:
    """As ``imap``."""
    return _read_all(run, "pop3s")


def imap_mixed(run: Run) -> Figure:
    """As ``imap``, with the mails that come back to a sender."""
    return _read_all(run, "imaps", mixed_mail)


def _read_all(run: Run, scheme: str, make: Callable[[int], bytes] = mailboxes.mail) -> Figure:
    tls = tlsfiles.make(run.directory)
    with mailboxes.mailhost() as host, smtp_sink(tls) as sink, serving(run.directory, Setting(sink, tls.ca)) as service:
        mailboxes.fill(host, "bench", run.messages, make)
        cpu = cpu_seconds(service.pid)
        began = time.monotonic()
        with PeakMemory(service.pid) as peak:
            _watch(service, host, "bench", scheme)
            _wait_for_events(run.directory, run.messages, seconds=patience(run))
        seconds = time.monotonic() - began
        used = cpu_seconds(service.pid) - cpu
    return Figure({"rate": run.messages / seconds, "cpu_s": used / run.messages * 1000, "read_pss_mb": peak.pss})


def latency(run: Run) -> Figure:
    """From the server's OK to APPEND until the event is committed, and until the webhook has it.

    Beside it, until the server tells a client that does nothing but IDLE: no reader can know of the mail before that.
    """
    samples = _QUICK_SAMPLES if run.quick else _SAMPLES
    tls = tlsfiles.make(run.directory)
    with mailboxes.mailhost() as host, smtp_sink(tls) as sink, hook_sink() as hooks:
        mailboxes.fill(host, "bench", 1)
        more = {"MAILSVC_MAILBOX_URL": mailboxes.url_of(host, "bench", run.directory)}
        setting = Setting(sink, tls.ca, hooks=hooks, more=more)
        with (
            serving(run.directory, setting),
            mailboxes.open_session(host, "bench") as session,
            mailboxes.idling(host, "bench") as told_by_server,
        ):
            hooks.wait_for(1, seconds=60)
            delivered = []
            for number in range(1, samples + 1):
                mailboxes.append(session, number)
                delivered.append((time.time(), time.monotonic()))
                hooks.wait_for(number + 1, seconds=60)
            events = _events(run.directory)[1:]
            told = hooks.times()
    committed = [at - wall for (_, at), (wall, _) in zip(events, delivered, strict=True)]
    server = [at - mono for at, (_, mono) in zip(told_by_server, delivered, strict=False)]
    received = [told[id_] - mono for (id_, _), (_, mono) in zip(events, delivered, strict=True)]
    return Figure(
        {
            "committed_p50_ms": quantile(committed, 0.5) * 1000,
            "committed_p99_ms": quantile(committed, 0.99) * 1000,
            "told_p50_ms": quantile(received, 0.5) * 1000,
            "server_p50_ms": quantile(server, 0.5) * 1000,
            "told_p99_ms": quantile(received, 0.99) * 1000,
        }
    )


def first_look(run: Run) -> Figure:
    """A folder of 200,000 mails: all of them read, then another mailbox with ``first_read: new``."""
    mails = _QUICK_LARGE if run.quick else _LARGE
    tls = tlsfiles.make(run.directory)
    with mailboxes.mailhost() as host, smtp_sink(tls) as sink, serving(run.directory, Setting(sink, tls.ca)) as service:
        mailboxes.fill(host, "bench", mails)
        with PeakMemory(service.pid) as all_:
            began = time.monotonic()
            _watch(service, host, "bench", "imaps")
            _wait_for_events(run.directory, mails, seconds=60 + mails / 100)
            all_s = time.monotonic() - began
        with PeakMemory(service.pid) as new:
            began = time.monotonic()
            _watch(service, host, "bench", "imaps", name="new", first_read="new")
            _wait_until_active(service, 2, seconds=120)
            new_s = time.monotonic() - began
    return Figure({"all_pss_mb": all_.pss, "new_pss_mb": new.pss, "all_s": all_s, "new_s": new_s})


def idle(run: Run) -> Figure:
    """200 mailboxes in which nothing arrives."""
    count, seconds = (_QUICK_IDLE, _QUICK_IDLE_S) if run.quick else (_IDLE, _IDLE_S)
    tls = tlsfiles.make(run.directory)
    with mailboxes.mailhost() as host, smtp_sink(tls) as sink:
        users = [f"idle{number}" for number in range(count)]
        for user in users:
            host.add_user(user, mailboxes.PASSWORD)
        urls = [mailboxes.url_of(host, user, run.directory) for user in users]
        setting = Setting(sink, tls.ca, more={"MAILSVC_MAILBOX_URL": " ".join(urls)})
        with serving(run.directory, setting) as service:
            _wait_until_active(service, count, seconds=120)
            reader = named(service.pid, "mailsvc-ingest")
            cpu, whole, began = cpu_seconds(reader), cpu_seconds(service.pid), time.monotonic()
            time.sleep(seconds)
            passed = time.monotonic() - began
            share, of_all = (cpu_seconds(reader) - cpu) / passed, (cpu_seconds(service.pid) - whole) / passed
            used = memory(service.pid)
    return Figure(
        {
            "idle_cpu_percent": share * 100,
            "service_cpu_percent": of_all * 100,
            "idle_mailboxes_pss_mb": used.pss,
        }
    )


def _watch(service: Service, host: mailboxes.MailHost, user: str, scheme: str, **more: object) -> None:
    service.call(
        "POST",
        "/v1/mailboxes",
        {
            "name": user,
            "protocol": scheme.removesuffix("s"),
            "host": mailboxes.HOST,
            "port": getattr(host, scheme),
            "ca_pem": host.ca_pem,
            "username": user,
            "password": mailboxes.PASSWORD,
            "first_read": "all",
            **more,
        },
    )


def _wait_until_active(service: Service, count: int, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        mailboxes_, cursor = [], ""
        while cursor is not None:
            page = service.call("GET", f"/v1/mailboxes?limit=200{cursor and '&cursor=' + cursor}")
            mailboxes_, cursor = mailboxes_ + page["data"], page["next_cursor"]
        if sum(mailbox["status"] == "active" for mailbox in mailboxes_) == count:
            return
        time.sleep(0.1)
    raise Invalid(f"{count} mailboxes are not read after {seconds:.0f} s")


def _wait_for_events(directory: Path, count: int, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with closing(_database(directory)) as database:
        while (found := database.execute("SELECT max(sequence) FROM mailsvc_event").fetchone()[0] or 0) < count:
            if time.monotonic() > deadline:
                raise Invalid(f"{found} of {count} mails were told")
            time.sleep(0.02)
        told = database.execute("SELECT count(*) FROM mailsvc_event WHERE type LIKE 'inbound.%'").fetchone()[0]
    if told != count:
        raise Invalid(f"{told} events were told of {count} mails")


def _events(directory: Path) -> list[tuple[str, float]]:
    with closing(_database(directory)) as database:
        rows = database.execute(
            "SELECT id, created_at FROM mailsvc_event WHERE type = 'inbound.received' ORDER BY position"
        )
        return [(id_, at / 1_000_000) for id_, at in rows]


def _database(directory: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{directory / 'data' / 'mailsvc.db'}?mode=ro", uri=True)
