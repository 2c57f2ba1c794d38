"""What mailsvc understands of a mail, in the words of the corpus: called by the corpus's own scorer.

python CORPUS/score.py CORPUS bench.understanding:bounces --misses 30 --by family
"""

from collections.abc import Iterator

from mailsvc.mime.arrived import read_mail
from mailsvc.understand.automatic import is_automatic
from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports import read_report

# Our reasons in Sisimai's words. It divides some of ours further; the scorer compares with the most frequent one.
SISIMAI = {
    "mailbox_unknown": ("userunknown", "filtered", "rejected"),
    "mailbox_disabled": ("suspend", "hasmoved", "filtered", "userunknown"),
    "domain_unknown": ("hostunknown", "notaccept"),
    "mailbox_full": ("mailboxfull",),
    "message_too_large": ("mesgtoobig", "exceedlimit"),
    "content_rejected": ("contenterror", "virusdetected", "notcompliantrfc"),
    "spam_rejected": ("spamdetected",),
    "policy_rejected": (
        "policyviolation",
        "filtered",
        "securityerror",
        "requireptr",
        "rejected",
        "blocked",
        "notcompliantrfc",
    ),
    "reputation_blocked": ("blocked", "badreputation"),
    "authentication_failed": ("authfailure",),
    "sender_rejected": ("rejected",),
    "relaying_denied": ("norelaying", "securityerror"),
    "rate_limited": ("speeding", "toomanyconn"),
    "greylisted": ("greylisted",),
    "system_error": ("systemerror", "mailererror", "systemfull", "networkerror"),
    "network_error": ("networkerror", "expired"),
    "protocol_error": ("syntaxerror",),
    "expired": ("expired",),
    "other": ("undefined", "onhold", "filtered"),
}
_KINDS = {ReportKind.COMPLAINT: "complaint", ReportKind.RECEIPT: "delivered", ReportKind.DELAY: "soft"}


def bounces(raw: bytes) -> list[dict[str, str | None]]:
    """Return one entry per recipient, as the scorer expects them."""
    mail = read_mail(raw)
    report = read_report(raw, mail)
    if report is not None:
        return list(_entries(report))
    return [{"recipient": None, "kind": "auto-reply"}] if is_automatic(mail) else []


def _entries(report: Report) -> Iterator[dict[str, str | None]]:
    for one in report.recipients:
        diagnosis = one.diagnosis
        yield {
            "recipient": one.recipient,
            "kind": _kind(one),
            "action": one.action,
            "status": diagnosis.enhanced_code if diagnosis else None,
            "reason": SISIMAI[diagnosis.reason][0] if diagnosis else None,
            "our_reason": diagnosis.reason if diagnosis else None,
            "diagnostic": diagnosis.diagnostic if diagnosis else None,
            "source": diagnosis.source if diagnosis else None,
        }


def _kind(one: ReportedRecipient) -> str:
    return _KINDS.get(one.kind) or (one.diagnosis.type if one.diagnosis else "soft")
