"""Probes an account on request: sends mails to itself through a relay, and sees what comes of them."""

import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mailsvc import clock
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.domain.attempt import Fate, Verdict
from mailsvc.domain.mailbox import Mailbox
from mailsvc.domain.relay import Relay
from mailsvc.inbound.accountprobe.advice import Finding, Result, advice
from mailsvc.inbound.accountprobe.arrived import Arrived
from mailsvc.inbound.accountprobe.mails import ProbeMail, ProbeMails, probe_mails
from mailsvc.inbound.accountprobe.sending import Sent, send
from mailsvc.inbound.accountprobe.sentcopies import SentCopies
from mailsvc.oauth.errors import OAuthError
from mailsvc.store.database import Database
from mailsvc.understand.report import ReportKind

__all__ = ["probe_account"]

LONGEST = 50.0  # seconds for all of it: the caller is waiting
LOOK_SECONDS = 0.5
FOR_COPIES = 10.0  # seconds that a provider has to file a copy, once the mail has arrived
TOKEN_PATIENCE = 5.0


def probe_account(
    mailbox: Mailbox, relay: Relay, address: str, *, database: Database, tokens: AccessTokens, keys: Sequence[bytes]
) -> dict[str, Any]:
    """Send three mails to the account's own address, and wait for them until all is known or the time is over.

    Args:
        address: of the mailbox.
        keys: that sign the Message-IDs of probe mails; the first one signs.

    Returns:
        The object of POST /v1/mailboxes/{id}/probe.
    """
    began = clock.monotonic()
    mails = probe_mails(address, keys[0])
    arrived = Arrived(database, mailbox.id, database.now(), keys)
    sent = _sent(relay, mails, tokens)
    with SentCopies(mailbox, tokens, mails.plain.message_id) as copies:
        _wait(mails, sent, arrived, copies, began + LONGEST)
        found = _findings(mails, sent, arrived, copies)
    settings, sentences = advice(found, address=address, relay=relay.name)
    return {
        "address": address,
        "relay": relay.name,
        "findings": [{"name": name, **asdict(one)} for name, one in found.items()],
        "settings": settings,
        "advice": sentences,
        "duration_ms": round((clock.monotonic() - began) * 1000, 3),
    }


def _sent(relay: Relay, mails: ProbeMails, tokens: AccessTokens) -> Sent:
    token = None
    if relay.needs_token:
        try:
            token = tokens.get(relay.id, targets=relay.targets, patience=TOKEN_PATIENCE)
        except OAuthError as error:
            return Sent(error.text)
    return send(relay, mails.all, access_token=token)


def _wait(mails: ProbeMails, sent: Sent, arrived: Arrived, copies: SentCopies, until: float) -> None:
    taken = [mail for mail in mails.all if sent.verdict(mail).fate in (Fate.SENT, Fate.UNCERTAIN)]
    pause, arrived_at = threading.Event(), None
    while taken and clock.monotonic() < until:
        arrived.look()
        if arrived_at is None and arrived.has(mails.plain):
            arrived_at = clock.monotonic()
        has_copies = copies.look() or (arrived_at is not None and clock.monotonic() > arrived_at + FOR_COPIES)
        has_report = not sent.offers_dsn or mails.plain.id in arrived.reports
        if has_copies and has_report and all(arrived.has(m) or m.id in arrived.reports for m in taken):
            return
        pause.wait(LOOK_SECONDS)


def _findings(mails: ProbeMails, sent: Sent, arrived: Arrived, copies: SentCopies) -> dict[str, Finding]:
    return {
        "plus_addresses": _plus(mails, sent, arrived),
        "return_path": _return_path(mails, sent, arrived),
        "dsn": _dsn(mails.plain, sent, arrived),
        "message_id": _message_id(mails.plain, sent, arrived),
        **_copies(sent, arrived, mails.plain, copies),
    }


def _plus(mails: ProbeMails, sent: Sent, arrived: Arrived) -> Finding:
    mail = mails.to_plus
    if arrived.has(mail):
        return Finding("yes", f"a mail to {mail.submission.recipients[0]} arrived")
    if arrived.is_reported(mail, ReportKind.BOUNCE):
        return Finding("no", f"a mail to {mail.submission.recipients[0]} came back")
    return _refused(mails, mail, sent) or _not_arrived(mail, sent)


def _return_path(mails: ProbeMails, sent: Sent, arrived: Arrived) -> Finding:
    mail = mails.from_plus
    if not arrived.has(mail):
        return _refused(mails, mail, sent) or _not_arrived(mail, sent)
    path = arrived.return_path(mail)
    if path is None:
        return Finding("unknown", "the mail arrived, but the mailbox does not say with which envelope sender")
    if path.lower() == mail.submission.sender.lower():
        return Finding("yes", f"the mail arrived with the envelope sender {path}")
    return Finding("no", f"the provider replaced the envelope sender by {path}")


def _dsn(mail: ProbeMail, sent: Sent, arrived: Arrived) -> Finding:
    verdict = sent.verdict(mail)
    if verdict.fate is not Fate.SENT:
        return Finding("unknown", f"the relay did not take the mail: {verdict.text}")
    if not sent.offers_dsn:
        return Finding("no", "the relay does not offer DSN")
    if arrived.is_reported(mail, ReportKind.RECEIPT):
        return Finding("yes", "the relay offers DSN, and a report of success arrived")
    return Finding("unknown", "the relay offers DSN, but no report of success arrived in time")


def _message_id(mail: ProbeMail, sent: Sent, arrived: Arrived) -> Finding:
    if not arrived.has(mail):
        return _not_arrived(mail, sent)
    if (given := arrived.message_id(mail)) != mail.message_id:
        return Finding("no", f"the provider replaced the Message-ID by {given or 'none'}")
    return Finding("yes", "the mail arrived with the Message-ID that it was sent with")


def _copies(sent: Sent, arrived: Arrived, mail: ProbeMail, copies: SentCopies) -> dict[str, Finding]:
    unknown: Result = "unknown"
    if copies.count:
        said = f"{copies.place} has {copies.count} of a mail that was sent once"
        return {"sent_copies": Finding("yes", said), "one_copy": Finding("yes" if copies.count == 1 else "no", said)}
    if copies.error is not None or not arrived.has(mail):
        said = copies.error or _not_arrived(mail, sent).detail
        return {"sent_copies": Finding(unknown, said), "one_copy": Finding(unknown, said)}
    said = f"{copies.place} had no copy {FOR_COPIES:.0f} seconds after the mail had arrived"
    return {"sent_copies": Finding("no", said), "one_copy": Finding(unknown, said)}


def _not_arrived(mail: ProbeMail, sent: Sent) -> Finding:
    verdict = sent.verdict(mail)
    if verdict.fate in (Fate.SENT, Fate.UNCERTAIN):
        return Finding(
            "unknown", "the relay took the mail, but it did not arrive in time; it may be in another folder (spam)"
        )
    return Finding("unknown", f"the mail could not be sent: {_said(verdict)}")


def _refused(mails: ProbeMails, mail: ProbeMail, sent: Sent) -> Finding | None:
    """A refusal is about the subaddress only where the relay took the plain mail."""
    verdict = sent.verdict(mail)
    if verdict.fate is not Fate.BOUNCED or sent.verdict(mails.plain).fate is not Fate.SENT:
        return None
    return Finding("no", f"the relay refuses it: {_said(verdict)}")


def _said(verdict: Verdict) -> str:
    code = f"{verdict.reply.code} " if verdict.reply else ""
    return f"{verdict.stage.value}: {code}{verdict.text}"
