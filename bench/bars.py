"""The bars that mailsvc has to reach, each computed from the medians of one run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Medians = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the table of bars."""

    label: str
    value: Callable[[Medians], float]  # KeyError where a scenario was not measured
    limit: float
    unit: str
    at_least: bool = False

    def reached(self, value: float) -> bool:
        """Whether the value is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit


def _times(name: str, peer: str) -> Callable[[Medians], float]:
    return lambda medians: medians[name]["rate"] / medians[peer]["rate"]


def _percent(name: str, of: str) -> Callable[[Medians], float]:
    return lambda medians: medians[name]["rate"] / medians[of]["rate"] * 100


def _plain(name: str, value: str) -> Callable[[Medians], float]:
    return lambda medians: medians[name][value]


def _claim(value: str) -> Callable[[Medians], float]:
    return lambda medians: max(medians["claim-sqlite"][value], medians["claim-pg"][value])


def _cpu_share(medians: Medians) -> float:
    return medians["sqlite-batch"]["cpu"] / min(medians["postfix"]["cpu"], medians["postfix-tuned"]["cpu"])


BARS = (
    Bar("SQLite, batch, end to end", _times("sqlite-batch", "postfix"), 12, "x Postfix", at_least=True),
    Bar("SQLite, single POSTs, 32 connections", _times("sqlite-single", "postfix"), 4, "x Postfix", at_least=True),
    Bar("PostgreSQL, batch", _times("pg-batch", "postfix"), 6, "x Postfix", at_least=True),
    Bar("PostgreSQL, single POSTs", _times("pg-single", "postfix"), 3, "x Postfix", at_least=True),
    Bar("batch against Celery + Redis + smtplib", _times("sqlite-batch", "celery"), 15, "x", at_least=True),
    Bar("batch against django-post_office", _times("sqlite-batch", "post-office"), 6, "x", at_least=True),
    Bar("batch against Nodemailer's pool, no queue", _times("sqlite-batch", "nodemailer"), 3, "x", at_least=True),
    Bar("CPU per message, batch", _cpu_share, 1 / 6, "of Postfix's"),
    Bar("idle, POST to bytes at the relay, p50", _plain("idle-latency", "p50_ms"), 25, "ms"),
    Bar("idle, POST to bytes at the relay, p99", _plain("idle-latency", "p99_ms"), 100, "ms"),
    Bar("POST at half the maximum rate, p50", _plain("post-latency", "p50_ms"), 10, "ms"),
    Bar("POST at half the maximum rate, p99", _plain("post-latency", "p99_ms"), 60, "ms"),
    Bar(
        "relay with 50 ms per reply, 50 connections",
        _plain("slow-relay", "percent"),
        80,
        "% of the bound",
        at_least=True,
    ),
    Bar("reading IMAP, stored and told", _times("imap-read", "imap-tools"), 2, "x imap_tools", at_least=True),
    Bar(
        "reading what comes back, understood and told",
        _times("imap-understood", "imap-tools-mixed"),
        1.5,
        "x imap_tools",
        at_least=True,
    ),
    Bar("reading POP3, stored and told", _times("pop3-read", "poplib"), 1, "x poplib", at_least=True),
    Bar("a mail's arrival to its event, p50", _plain("inbound-latency", "committed_p50_ms"), 200, "ms"),
    Bar("a mail's arrival to the webhook, p50", _plain("inbound-latency", "told_p50_ms"), 400, "ms"),
    Bar("memory, first look at 200,000 mails (all)", _plain("first-look", "all_pss_mb"), 250, "MB"),
    Bar("memory, first look at 200,000 mails (new)", _plain("first-look", "new_pss_mb"), 250, "MB"),
    Bar("memory, 200 idle mailboxes", _plain("idle-mailboxes", "idle_mailboxes_pss_mb"), 300, "MB"),
    Bar("CPU, 200 idle mailboxes", _plain("idle-mailboxes", "idle_cpu_percent"), 2, "% of a core"),
    Bar("claim with 10 million finished against none", _claim("finished_ratio"), 1.2, "x"),
    Bar("claim, 10,000 relays x 10 against 1 x 100,000", _claim("relays_ratio"), 1.5, "x"),
    Bar("Outbox: a send in plain INSERTs, SQLite", _plain("outbox", "sqlite_inserts"), 2, "x"),
    Bar("Outbox: a send in plain INSERTs, PostgreSQL", _plain("outbox", "pg_inserts"), 2, "x"),
    Bar("SDK: a send against the bare HTTP client", _plain("sdk", "send_ratio"), 1.15, "x"),
    Bar("SDK: a batch against the bare HTTP client", _plain("sdk", "batch_percent"), 80, "%", at_least=True),
    Bar("SDK: import against the HTTP client's", _plain("sdk", "import_ratio"), 1.5, "x"),
    Bar("INSERT on SQLite against the batch API", _percent("sqlite-insert", "sqlite-batch"), 70, "%", at_least=True),
    Bar("INSERT on PostgreSQL against the batch API", _percent("pg-insert", "pg-batch"), 70, "%", at_least=True),
    Bar("INSERT to bytes at the relay, SQLite, p50", _plain("insert-latency", "sqlite_p50_ms"), 40, "ms"),
    Bar("INSERT to bytes at the relay, NOTIFY, p50", _plain("insert-latency", "pg_p50_ms"), 60, "ms"),
    Bar("memory that an embedded service adds", _plain("embedded", "added_pss_mb"), 45, "MB"),
    Bar("memory, idle", _plain("memory", "idle_pss_mb"), 130, "MB"),
    Bar("memory, draining 100,000 small", _plain("memory", "small_pss_mb"), 250, "MB"),
    Bar("memory, draining 200 x 20 MB", _plain("memory", "large_pss_mb"), 400, "MB"),
    Bar("mailsvc serve to ready, first start", _plain("startup", "first_s"), 2, "s"),
    Bar("mailsvc serve to ready, second start", _plain("startup", "second_s"), 2, "s"),
)
