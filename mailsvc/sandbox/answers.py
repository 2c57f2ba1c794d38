"""What people and their programs answer: a reply, a vacation note, a wish to unsubscribe."""

import re
from email.utils import format_datetime
from urllib.parse import parse_qs, unquote

from mailsvc import clock
from mailsvc.mime.arrived import addresses_in
from mailsvc.mime.headers import identifiers
from mailsvc.mime.parts import Field
from mailsvc.sandbox.letters import address_field, subject_field, text_entity, written
from mailsvc.sandbox.submitted import Submitted

__all__ = ["reply", "unsubscribe_mail", "vacation_note"]

MOST_QUOTED = 20_000  # characters
MOST_SUBJECT = 500  # characters
_IDENTIFIER = re.compile(r"<[!-;=?-~]{1,250}>")
_MAILTO = re.compile(r"<\s*mailto:([^<>\s]{1,2000})>", re.IGNORECASE)
_PERSON = "Robin Example"

_REPLY = """\
Thank you, I have read it. That works for me.

{person}

{quotation}
"""
_NOTE = """\
Hello,

I am out of the office until Monday and will read your mail then.

{person}
"""
_WISH = "Please remove me from this list."


def reply(submitted: Submitted) -> bytes | None:
    """A person's answer, which quotes the message. None for an answer to an answer of the sandbox."""
    if submitted.is_answer or not submitted.author:
        return None
    fields = [
        address_field("From", f"{_PERSON} <{submitted.recipient}>"),
        address_field("To", *submitted.authors),
        subject_field("Re:", _subject(submitted)),
        *_thread(submitted),
    ]
    body = text_entity(_REPLY.format(quotation=_quotation(submitted), person=_PERSON))
    return written(submitted, fields, body, sender=submitted.recipient, delivered_to=submitted.author)


def vacation_note(submitted: Submitted) -> bytes | None:
    """An automatic answer to the envelope sender (RFC 3834); None where that says that nobody should answer."""
    if submitted.is_answer or not submitted.sender:
        return None
    fields = [
        address_field("From", f"{_PERSON} <{submitted.recipient}>"),
        address_field("To", submitted.sender),
        subject_field("Automatic reply:", _subject(submitted)),
        *_thread(submitted),
        ("Auto-Submitted", "auto-replied"),
    ]
    body = text_entity(_NOTE.format(person=_PERSON))
    return written(submitted, fields, body, sender="", delivered_to=submitted.sender)


def unsubscribe_mail(submitted: Submitted) -> bytes | None:
    """A mail to the ``mailto:`` address of List-Unsubscribe (RFC 2369), else a person's wish to the author.

    A web address there is never called: it may be in the real world.
    """
    if submitted.is_answer:
        return None
    target, subject, text = _unsubscribe_target(submitted)
    if not target:
        return None
    fields = [
        address_field("From", f"{_PERSON} <{submitted.recipient}>"),
        address_field("To", target),
        subject_field("", subject),
    ]
    return written(submitted, fields, text_entity(text), sender=submitted.recipient, delivered_to=target)


def _unsubscribe_target(submitted: Submitted) -> tuple[str, str, str]:
    """The address, the subject and the text."""
    found = _MAILTO.search(submitted.field("list-unsubscribe") or "")
    path, _, query = (found[1] if found else "").partition("?")
    if addresses := addresses_in(unquote(path)):
        given = {name.lower(): values[0] for name, values in parse_qs(query).items()}
        return addresses[0], given.get("subject", "unsubscribe")[:MOST_SUBJECT], given.get("body", "unsubscribe")
    return submitted.author, "Unsubscribe", f"{_WISH}\n\n(Its mails have no List-Unsubscribe with a mailto: address.)\n"


def _subject(submitted: Submitted) -> str:
    return (submitted.mail.subject or "")[:MOST_SUBJECT]


def _thread(submitted: Submitted) -> list[Field]:
    """In-Reply-To and References (RFC 5322 section 3.6.4)."""
    mail = submitted.mail
    if not mail.message_id or not _IDENTIFIER.fullmatch(mail.message_id):
        return []
    known = tuple(id_ for id_ in mail.references if _IDENTIFIER.fullmatch(id_) and id_ != mail.message_id)
    return [("In-Reply-To", mail.message_id), ("References", identifiers((*known[-18:], mail.message_id)))]


def _quotation(submitted: Submitted) -> str:
    mail = submitted.mail
    at = mail.date if mail.date is not None else submitted.now
    day, _, time = format_datetime(clock.as_datetime(at)).rpartition(":")[0].rpartition(" ")
    lines = (mail.text or "").strip()[:MOST_QUOTED].splitlines()
    quoted = "".join(f"> {line}".rstrip() + "\n" for line in lines)
    return f"On {day} at {time}, {mail.from_ or submitted.sender} wrote:\n\n{quoted}"
