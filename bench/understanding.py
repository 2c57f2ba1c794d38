"""What mailsvc understands of a mail, in the words of the corpus: called by the corpus's own scorer.

>>> python CORPUS/score.py CORPUS bench.understanding:bounces --misses 30 --by family

``flufl`` and ``stdlib`` are peers for the same scorer: flufl.bounce, which has to be installed for it, and a reader of
RFC 3464 as one writes it with the standard library.
"""

import email
from collections.abc import Iterator
from email.message import Message

from mailsvc.mime.arrived import read_mail
from mailsvc.understand.automatic import is_automatic
from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports import read_report

# Our reasons in Sisimai's words. It divides some of ours further; the scorer compares with the most frequent one.
SISIMAI = {
    "mailbox_unknown": ("userunknown", "filtered"),
    "mailbox_disabled": ("suspend", "hasmoved", "filtered"),
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


def flufl(raw: bytes) -> list[dict[str, str | None]]:
    """What flufl.bounce finds: it tells temporary from permanent failures, and nothing else."""
    from flufl.bounce import all_failures  # type: ignore[import-not-found]

    temporary, permanent = all_failures(email.message_from_bytes(raw))
    found = [*((address, "hard") for address in permanent), *((address, "soft") for address in temporary - permanent)]
    return [{"recipient": address.decode("utf-8", "replace"), "kind": kind} for address, kind in found]


def stdlib(raw: bytes) -> list[dict[str, str | None]]:
    """The groups of the first message/delivery-status that have an Action, as the standard library's parser splits them."""
    parts = (
        part for part in email.message_from_bytes(raw).walk() if part.get_content_type() == "message/delivery-status"
    )
    groups = [group for part in parts for group in part.get_payload() if hasattr(group, "get") and group.get("Action")]
    return [_from_fields(group) for group in groups]


def _from_fields(group: Message) -> dict[str, str | None]:
    status = str(group.get("Status", "")).split(" ")[0] or None
    action = str(group.get("Action")).strip().lower()
    kind = {"failed": "hard" if (status or "5").startswith("5") else "soft", "delayed": "soft"}.get(action, "delivered")
    recipient = str(group.get("Final-Recipient") or group.get("Original-Recipient") or "")
    return {"recipient": recipient.rpartition(";")[2].strip(), "kind": kind, "status": status, "action": action}
