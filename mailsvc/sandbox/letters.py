"""Writes the sandbox's mails as a server stores them: the trace of a delivery, a header, a body."""

import secrets
from dataclasses import dataclass

from mailsvc.domain.address import Mailbox
from mailsvc.domain.fieldtext import crlf, printable
from mailsvc.mime import headers
from mailsvc.mime.arrived.addresses import mailboxes_in
from mailsvc.mime.bodies import encode_text
from mailsvc.mime.parts import Field, field_block
from mailsvc.sandbox.submitted import HOST, Submitted

__all__ = ["Entity", "address_field", "subject_field", "text_entity", "written"]


@dataclass(frozen=True, slots=True)
class Entity:
    """A MIME entity: its ``Content-`` fields and its body."""

    fields: list[Field]
    body: bytes


def written(submitted: Submitted, fields: list[Field], entity: Entity, *, sender: str, delivered_to: str) -> bytes:
    """Return the mail as it lies in the mailbox.

    Args:
        fields: From, To, Subject and others; Date and Message-ID are added.
        sender: the envelope sender, empty for reports.
        delivered_to: the envelope recipient.
    """
    date = headers.date_time(submitted.now)
    trace = [
        ("Return-Path", f"<{sender}>"),
        ("Delivered-To", _one_line(delivered_to)),
        ("Received", f"by {HOST} (mailsvc sandbox); {date}"),
    ]
    own = [("Date", date), ("Message-ID", f"<{secrets.token_hex(12)}@{HOST}>"), ("MIME-Version", "1.0")]
    return field_block([*trace, *fields, *own, *entity.fields]) + b"\r\n" + entity.body


def address_field(name: str, *addresses: str) -> Field:
    """Return a field with these addresses, each with its name or without."""
    found: tuple[Mailbox, ...] = tuple(mailbox for text in addresses for mailbox in mailboxes_in(text))
    return name, headers.address_list(name, found) if found else "undisclosed-recipients:;"


def subject_field(prefix: str, subject: str | None) -> Field:
    """Return a Subject with this before it, once."""
    text = _one_line(subject or "")
    if not text.lower().startswith(prefix.lower()):
        text = f"{prefix} {text}".strip()
    return "Subject", headers.unstructured("Subject", text)


def text_entity(text: str) -> Entity:
    """Return plain text."""
    encoding, body = encode_text(crlf(text))
    return Entity([("Content-Type", "text/plain; charset=utf-8"), ("Content-Transfer-Encoding", encoding)], body)


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
