"""Records what arrivals mean: their kinds and findings, the outcomes of deliveries, and the events, in one transaction.

Once, whoever else is doing the same: an arrival that somebody has recorded meanwhile changes nothing.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, or_

from mailsvc import clock
from mailsvc.apps.suppressions import Suppression, add_suppressions
from mailsvc.domain.bounce import SoftBounceLimit
from mailsvc.domain.jsontext import compact
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.findings.judge import judge
from mailsvc.findings.judgement import Circumstances, Finding, Judgement
from mailsvc.findings.known import Known, read_known
from mailsvc.findings.told import arrival_event
from mailsvc.findings.twins import lock_arrivals
from mailsvc.inbox.shown import ClassifiedMail, arrival_columns, event_data
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.record import record
from mailsvc.outcomes.unsubscribe import unsubscription
from mailsvc.store.bulk import carry_out, update_of
from mailsvc.store.mailbox_tables import arrival

__all__ = ["Judged", "Terms", "judge_mails", "record_arrivals", "write"]

WAITS_FOR = 1 * clock.HOUR  # for a delivery that a report is about to be sent
FIRST_RECHECK, SHARE_OF_AGE = clock.SECOND // 5, 4


class Terms(msgspec.Struct, frozen=True):
    """What the settings say about it."""

    public_url: str
    soft_bounces: SoftBounceLimit | None


class Judged(msgspec.Struct):
    """An arrival's row, and what follows from the mail."""

    row: Any
    mail: ClassifiedMail
    seen: Circumstances
    data: dict[str, Any]
    found: Judgement


def record_arrivals(connection: Connection, mails: Sequence[ClassifiedMail], *, now: int, terms: Terms) -> list[str]:
    """Record those of the arrivals that nobody recorded yet. Returns the kinds of those that are done;
    the others wait for their deliveries.
    """
    is_unrecorded = or_(arrival.c.kind.is_(None), arrival.c.recheck_at.is_not(None))
    judged = judge_mails(connection, mails, is_unrecorded, now=now, terms=terms)
    write(connection, judged, now=now, terms=terms)
    return [one.found.kind for one in judged if not one.found.waits]


def judge_mails(
    connection: Connection, mails: Sequence[ClassifiedMail], condition: Any, *, now: int, terms: Terms
) -> list[Judged]:
    """Return what follows from those of the mails whose arrivals meet a condition; nothing is written."""
    rows, told = lock_arrivals(connection, [one.id for one in mails], condition)
    chosen = [one for one in mails if one.id in rows]
    known = read_known(connection, [(rows[one.id].app_id, one.understood.clues) for one in chosen])
    return [_judged(one, rows[one.id], known, now, terms, is_twin=one.id in told) for one in chosen]


def write(connection: Connection, judged: Sequence[Judged], *, now: int, terms: Terms) -> None:
    """Write what follows: outcomes, events, and what the arrivals show."""
    settled = [one for one in judged if not one.found.waits]
    _record_outcomes(connection, settled, now, terms)
    _tell(connection, settled, now)
    columns = [_columns(one, now) for one in judged]
    carry_out(connection, update_of(connection.dialect.name, arrival, ("id",), columns))


def _judged(mail: ClassifiedMail, row: Any, known: Known, now: int, terms: Terms, *, is_twin: bool) -> Judged:
    seen = Circumstances(
        app_id=row.app_id,
        mailbox_id=row.mailbox_id,
        now=now,
        is_last=now - row.received_at >= WAITS_FOR,
        is_twin=is_twin,
    )
    data = event_data(mail, row.mailbox_id, public_url=terms.public_url)
    return Judged(row, mail, seen, data, judge(mail.kind, mail.understood, known, seen, data))


def _record_outcomes(connection: Connection, judged: Sequence[Judged], now: int, terms: Terms) -> None:
    """Record the outcomes, as many times as one delivery has several, and note those that changed nothing after all."""
    left = [pair for one in judged for pair in one.found.outcomes]
    while left:
        first: dict[str, tuple[Outcome, Finding]] = {}
        later = [pair for pair in left if first.setdefault(pair[0].delivery_id, pair) is not pair]
        outcomes = [outcome for outcome, _ in first.values()]
        changed = record(connection, outcomes, now=now, soft_bounces=terms.soft_bounces)
        for outcome, finding in first.values():
            finding.applied = outcome.delivery_id in changed
        left = later


def _tell(connection: Connection, judged: Sequence[Judged], now: int) -> None:
    events: list[NewEvent] = []
    suppressions: list[Suppression] = []
    for one in judged:
        if one.mail.understood.clues.probes:
            continue  # listed, but no news for the application
        news = [event for event, _ in one.found.news]
        if not news and not any(finding.applied for _, finding in one.found.outcomes):
            news = [arrival_event(one.found, one.seen, one.data)]
        events += news
        if one.found.unsubscribes is not None:
            suppressions.append(_unsubscription(one, news[0].id))
    append_events(connection, events, now=now)
    add_suppressions(connection, suppressions, now=now)


def _unsubscription(one: Judged, event_id: str) -> Suppression:
    match, delivery = one.found.about, one.found.unsubscribes
    assert match is not None
    assert delivery is not None
    return unsubscription(one.row.app_id, delivery.recipient, match.message.tags, event_id=event_id)


def _columns(one: Judged, now: int) -> dict[str, Any]:
    found, about = one.found, one.found.about
    delivery = about.delivery if about else None
    return {
        "id": one.mail.id,
        "kind": found.kind,
        **arrival_columns(one.mail.understood.mail, one.mail.error),
        "message_id": about.message.id if about else None,
        "delivery_id": delivery.id if delivery else None,
        "recipient": delivery.recipient if delivery else None,
        "findings": compact(found.findings),
        "evidence": compact(about.evidence if about else ()),
        "auto_reply": found.kind == "auto_reply",
        "forwarded": one.mail.understood.reply.forwarded,
        "recheck_at": _recheck_at(one.row, now) if found.waits else None,
    }


def _recheck_at(row: Any, now: int) -> int:
    """Soon at first: mostly the relay's reply is only not recorded yet."""
    return int(now + max(FIRST_RECHECK, (now - row.received_at) // SHARE_OF_AGE))
