"""Decides what a mail is and what follows from it. Pure: the messages that its clues name are given."""

from typing import Any

from mailsvc.domain.address import comparable
from mailsvc.findings.judgement import Circumstances, Judgement
from mailsvc.findings.known import Known
from mailsvc.findings.match import Match, match_answer
from mailsvc.findings.reports import judge_report
from mailsvc.findings.told import message_event
from mailsvc.mime.arrived import addresses_in
from mailsvc.understand.mail import UnderstoodMail
from mailsvc.understand.report import ReportKind

__all__ = ["judge", "kind_of"]

# If a mail says several things, the first of these is its kind.
_KINDS = (ReportKind.BOUNCE, ReportKind.DELAY, ReportKind.RECEIPT, ReportKind.COMPLAINT)


def kind_of(understood: UnderstoodMail) -> str:
    """Return the kind of a mail by its bytes alone; whether a person's mail is a reply, the messages tell."""
    if understood.report is not None:
        kinds = {one.kind for one in understood.report.recipients}
        return next((kind.value for kind in _KINDS if kind in kinds), "message")
    return "auto_reply" if understood.is_automatic else "message"


def judge(kind: str, understood: UnderstoodMail, known: Known, seen: Circumstances, data: dict[str, Any]) -> Judgement:
    """Return what follows from a mail.

    Args:
        kind: by its bytes alone.
        data: of its events, without the message that it is about.
    """
    found = Judgement(kind=kind)
    if kind == "unparsed" or understood.clues.probes:
        return found
    if understood.report is not None:
        judge_report(found, understood.report, understood.clues, known, seen, data)
    elif match := _unsubscribed(understood, known, seen):
        found.kind, found.about, found.unsubscribes = "unsubscribe", match, match.delivery
    elif match := _answered(understood, known, seen):
        found.kind, found.about = ("auto_reply" if understood.is_automatic else "reply"), match
        if not seen.is_twin:
            event_type = "message.auto_replied" if understood.is_automatic else "message.replied"
            found.news.append((message_event(event_type, match, {**data, "kind": found.kind}), None))
    return found


def _unsubscribed(understood: UnderstoodMail, known: Known, seen: Circumstances) -> Match | None:
    for id_ in understood.clues.unsubscribes:
        named = known.by_id(seen.app_id, id_)
        if named is not None and named.delivery is not None:
            return Match(named.message, named.delivery, ("verp",), is_signed=True)
    return None


def _answered(understood: UnderstoodMail, known: Known, seen: Circumstances) -> Match | None:
    """Return what a mail answers; one that is passed on answers nothing."""
    if understood.reply.forwarded and not understood.is_automatic:
        return None
    author = next(iter(addresses_in(understood.mail.from_ or "")), None)
    return match_answer(understood.clues, known, seen.app_id, comparable(author) if author else None, now=seen.now)
