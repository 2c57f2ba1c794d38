"""What follows from a mail that reports something: a delivery fails, arrives or is complained about. Pure."""

import re
from typing import Any

from mailsvc.domain.address import comparable
from mailsvc.domain.lifecycle import FINAL, Change, Status, follow
from mailsvc.findings.judgement import Circumstances, Finding, Judgement
from mailsvc.findings.known import Known, KnownDelivery
from mailsvc.findings.match import Match, match_report
from mailsvc.findings.told import about, data_of_each, message_event, unmatched_event
from mailsvc.outcomes.outcome import MailedReport, Outcome
from mailsvc.understand.clues import Clues
from mailsvc.understand.report import Report, ReportedRecipient, ReportKind

__all__ = ["judge_report"]

_XTEXT = re.compile(r"\+([2-7][0-9A-F])")  # RFC 3461 section 4

_CHANGES = {
    ReportKind.BOUNCE: Change.BOUNCE,
    ReportKind.RECEIPT: Change.DELIVER,
    ReportKind.COMPLAINT: Change.COMPLAIN,
}


def judge_report(
    found: Judgement, report: Report, clues: Clues, known: Known, seen: Circumstances, data: dict[str, Any]
) -> None:
    """Add what follows from a report.

    Args:
        data: of the mail's events, without the message that it is about.
    """
    if len(report.recipients) > 1:
        data = data_of_each(data, len(report.recipients))
    matched = [(one, _match(one, clues, known, seen)) for one in report.recipients]
    # The recipient whom we know comes first: of an address that fans out, it decides.
    matched.sort(key=lambda pair: pair[1] is None or "recipient" not in pair[1].evidence)
    found.waits = not seen.is_last and any(_is_early(one, match) for one, match in matched)
    for one, candidate in matched:
        match = None if candidate is None or _says_nothing(one, candidate) else candidate
        finding = _finding(one, match)
        found.findings.append(finding)
        if found.waits:
            found.about = found.about or match
        elif match is not None:
            found.about = found.about or match
            _apply(found, finding, one, match, seen, data)
        elif one.kind is ReportKind.BOUNCE:
            finding.evidence = clues.tried
            found.news.append((unmatched_event(finding, clues.tried, seen, data), finding))


def _match(one: ReportedRecipient, clues: Clues, known: Known, seen: Circumstances) -> Match | None:
    return match_report(clues, known, seen.app_id, _addresses(one), now=seen.now)


def _addresses(one: ReportedRecipient) -> tuple[str, ...]:
    """Return the recipient's addresses; some servers repeat the original one in the encoding of the SMTP command."""
    original = one.original_recipient or ""
    given = (original, _XTEXT.sub(lambda found: chr(int(found[1], 16)), original), one.recipient or "")
    return tuple(dict.fromkeys(comparable(address) for address in given if address))


def _is_early(one: ReportedRecipient, match: Match | None) -> bool:
    """Whether the report came before the delivery is known to be sent."""
    return match is not None and _changes_state(one) and _delivery(match).status not in FINAL


def _says_nothing(one: ReportedRecipient, match: Match) -> bool:
    """Whether a report must not count: it names nobody, or a delivery that was not sent."""
    if not _changes_state(one):
        return False
    is_vague = one.kind is ReportKind.BOUNCE and not match.is_signed and not _addresses(one)
    return is_vague or _delivery(match).status not in FINAL


def _changes_state(one: ReportedRecipient) -> bool:
    """Whether a report can end a delivery: a relayed or displayed message is not delivered, and a virus is no complaint."""
    if one.kind is ReportKind.RECEIPT:
        return one.action == "delivered"
    return one.kind is ReportKind.BOUNCE or one.is_of_person


def _finding(one: ReportedRecipient, match: Match | None) -> Finding:
    finding = Finding(kind=one.kind.value, recipient=one.recipient)
    if one.diagnosis is not None:
        finding.bounce = one.diagnosis.shown(one.recipient)
    if match is not None:
        finding.message_id, finding.delivery_id = match.message.id, _delivery(match).id
        finding.evidence = match.evidence
    return finding


def _apply(
    found: Judgement,
    finding: Finding,
    one: ReportedRecipient,
    match: Match,
    seen: Circumstances,
    data: dict[str, Any],
) -> None:
    delivery = _delivery(match)
    if one.kind is ReportKind.DELAY:
        if not seen.is_twin:
            told = message_event("message.delayed", match, {**data, "bounce": finding.bounce})
            found.news.append((told, finding))
    elif _changes_state(one) and (match.is_signed or delivery.status is Status.SENT):
        change = _CHANGES[one.kind]
        if after := follow(delivery.status, change):
            delivery.status, finding.applied = after, True
            found.outcomes.append((_outcome(one, match, delivery, data), finding))


def _outcome(one: ReportedRecipient, match: Match, delivery: KnownDelivery, data: dict[str, Any]) -> Outcome:
    report = MailedReport(
        data={**data, **about(match), "kind": one.kind.value},
        recipient=one.recipient,
        suppresses=match.is_signed or not match.message.is_signed,
    )
    bounce = one.diagnosis if one.kind is ReportKind.BOUNCE else None
    return Outcome(delivery.id, _CHANGES[one.kind], bounce=bounce, report=report)


def _delivery(match: Match) -> KnownDelivery:
    assert match.delivery is not None  # as ``match_report`` promises
    return match.delivery
