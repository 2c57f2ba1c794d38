"""Every scenario by name, in the order of the table."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.figure import Figure, Run
from bench.peers import celery, djangomail, mailboxloop, node, postfix
from bench.scenarios import (
    claim,
    embedded,
    inbound,
    inserting,
    latency,
    memory,
    outbox,
    sdk,
    slowrelay,
    startup,
    throughput,
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A measurement that the harness can make."""

    name: str
    measure: Callable[[Run], Figure]
    share: float = 1.0  # of ``--messages``: slow peers get fewer, their rate does not depend on it
    once: bool = False  # in the first round only: long, and not noisy
    by_default: bool = True


SCENARIOS = (
    Scenario("postfix", postfix.default),
    Scenario("postfix-tuned", postfix.tuned),
    Scenario("celery", celery.durable, share=0.125),
    Scenario("celery-reusing", celery.durable_reusing, share=0.125),
    Scenario("celery-volatile", celery.volatile, share=0.125, by_default=False),
    Scenario("post-office", djangomail.post_office),
    Scenario("nodemailer", node.nodemailer),
    Scenario("sqlite-batch", throughput.sqlite_batch),
    Scenario("sqlite-single", throughput.sqlite_single),
    Scenario("pg-batch", throughput.pg_batch),
    Scenario("pg-single", throughput.pg_single),
    Scenario("sqlite-insert", inserting.sqlite_rate),
    Scenario("pg-insert", inserting.pg_rate),
    Scenario("insert-latency", inserting.latency),
    Scenario("embedded", embedded.measure, once=True),
    Scenario("idle-latency", latency.idle),
    Scenario("post-latency", latency.half_load),
    Scenario("slow-relay", slowrelay.measure),
    Scenario("startup", startup.measure),
    Scenario("sdk", sdk.measure),
    Scenario("outbox", outbox.measure),
    Scenario("memory", memory.measure, once=True),
    Scenario("imap-tools", mailboxloop.imap, share=0.5),
    Scenario("imap-read", inbound.imap, share=0.5),
    Scenario("imap-tools-mixed", mailboxloop.imap_mixed, share=0.5),
    Scenario("imap-understood", inbound.imap_mixed, share=0.5),
    Scenario("poplib", mailboxloop.pop3, share=0.5),
    Scenario("pop3-read", inbound.pop3, share=0.5),
    Scenario("inbound-latency", inbound.latency),
    Scenario("idle-mailboxes", inbound.idle, once=True),
    Scenario("first-look", inbound.first_look, once=True),
    Scenario("claim-sqlite", claim.sqlite, once=True),
    Scenario("claim-pg", claim.postgresql, once=True),
)
