"""Tells a machine's answer from a person's: vacation notes, ticket systems, challenges (RFC 3834 and what came before it).

What answers nothing is not meant: newsletters, mailing lists and notifications are automatic, but they are messages.
"""

import re
from functools import partial

from mailsvc.mime.arrived import ArrivedMail
from mailsvc.understand.automatic_words import ABSENCE, ANNOUNCED, CHALLENGE, IN_BODY, TICKET

__all__ = ["is_automatic", "submission_of"]

_MAX_SUBJECT = 300  # characters
_MAX_BEGINNING = 600  # characters of the text

_Header = dict[str, str]

# Fields that only automatic answers carry.
_MARKS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-autoresponse",
    "x-autoreply-from",
    "x-autoreply-domain",
    "x-mail-autoreply",
    "x-ms-exchange-oof",
    "x-vacation",
    "x-boxtrapper",
    "x-challenge-response",
    "x-tmda-confirm",
)
_VALUES = {
    "precedence": re.compile(r"auto[-_ ]?reply", re.IGNORECASE),
    "preference": re.compile(r"auto[-_ ]?reply", re.IGNORECASE),
    "x-precedence": re.compile(r"auto[-_ ]?reply", re.IGNORECASE),
    "x-post-messageclass": re.compile(r"autorespond", re.IGNORECASE),
    "delivered-to": re.compile(r"^autoresponder$", re.IGNORECASE),
    "x-mailer": re.compile(r"vacation|auto-?(respond|reply)|tmda|^spamarrest", re.IGNORECASE),
    "user-agent": re.compile(r"vacation|auto-?(respond|reply)", re.IGNORECASE),
    "x-delivery-agent": re.compile(r"tmda", re.IGNORECASE),
}
_OF_LISTS = ("list-id", "list-post", "list-unsubscribe", "x-mailman-version", "mailing-list")
_LOOP_MARKS = ("x-auto-response-suppress", "x-otrs-loop", "x-rt-loop-prevention", "x-loop", "x-fc-machinegenerated")
_ANSWER = re.compile(r"(re|aw|antw|sv|vs|rif|odp|ynt|回复|答复|回覆|返信)\s?(\[\d+\])?[:：]", re.IGNORECASE)
_NUMBER = re.compile(r"^[\[(#](?:[^\])]{1,60}[\])]|\S{1,40})[:\s-]*")
_NO = re.compile(r"\s*(no|false|0)?\s*")


def is_automatic(mail: ArrivedMail) -> bool:
    """Whether a machine wrote this mail in answer to another one. Reports about messages are not asked for here."""
    header: _Header = {}
    for name, value in mail.headers:
        header.setdefault(name.lower(), value)
    submitted = submission_of(header.get("auto-submitted", ""))
    if submitted == "auto-replied" or _is_marked(header):
        return True
    if any(name in header for name in _OF_LISTS):
        return False
    if header.get("precedence", "").strip().lower() == "list":
        return False
    return _looks_automatic(mail, header, submitted)


def submission_of(field: str) -> str:
    """Return the keyword of Auto-Submitted, without parameters and comments (RFC 3834 section 5); empty for a person's mail."""
    keyword = field.lower().partition(";")[0].partition("(")[0].strip()
    return "" if keyword == "no" else keyword


def _is_marked(header: _Header) -> bool:
    if any(not _NO.fullmatch(header[name]) for name in _MARKS if name in header):
        return True
    return any(pattern.search(header.get(name, "")) for name, pattern in _VALUES.items())


def _looks_automatic(mail: ArrivedMail, header: _Header, submitted: str) -> bool:
    subject = (mail.subject or "").strip()[:_MAX_SUBJECT]
    if ANNOUNCED.match(subject) or CHALLENGE.match(subject):
        return True
    is_by_machine = bool(submitted) or _is_unattended(header)
    answers = bool(mail.in_reply_to or mail.references)
    if is_by_machine and (answers or _ANSWER.match(subject) or ABSENCE.match(subject)):
        return True
    says = partial(_says, mail)
    if ABSENCE.match(subject):
        return answers and not _ANSWER.match(subject)
    return (bool(TICKET.match(_NUMBER.sub("", subject))) and (answers or is_by_machine or says())) or (
        answers and says()
    )


def _is_unattended(header: _Header) -> bool:
    """Whether nobody wants an answer to this mail: sent with the null return path, or marked against loops."""
    if header.get("return-path", "").strip() == "<>":
        return True
    return any(not _NO.fullmatch(header[name]) for name in _LOOP_MARKS if name in header)


def _says(mail: ArrivedMail) -> bool:
    """Whether the text itself begins with saying so, before anything quoted."""
    beginning = (mail.text or "")[:_MAX_BEGINNING].partition("\n>")[0]
    return IN_BODY.search(beginning) is not None
