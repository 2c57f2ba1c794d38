"""The arrival as applications see it: in lists, alone, and in events."""

import json
from typing import Any

import msgspec

from mailsvc import clock
from mailsvc.inbox.keep import NO_UIDL
from mailsvc.mime.arrived import ArrivedMail
from mailsvc.understand.mail import UnderstoodMail

__all__ = [
    "MOST_EVENT_TEXT",
    "ClassifiedMail",
    "arrival_columns",
    "event_data",
    "shown_arrival",
    "shown_content",
    "without_content",
]

MOST_EVENT_TEXT = 256 * 1024  # bytes; a longer text or HTML is left out of events
_CONTENT = ("text", "quoted", "signature", "html")
_encode = msgspec.json.Encoder().encode


class ClassifiedMail(msgspec.Struct, frozen=True):
    """An arrival, understood."""

    id: str
    kind: str  # by its bytes alone
    understood: UnderstoodMail
    error: str | None


def arrival_columns(mail: ArrivedMail, error: str | None) -> dict[str, Any]:
    """Return the columns that are known once a mail is read."""
    return {
        "sender": mail.from_,
        "recipients": _encode(mail.to).decode(),
        "copied": _encode(mail.cc).decode(),
        "subject": mail.subject,
        "date": mail.date,
        "header_message_id": mail.message_id,
        "error": error,
    }


def shown_arrival(row: Any) -> dict[str, Any]:
    """Return the arrival in this row as lists show it."""
    return {
        "id": row.id,
        "mailbox_id": row.mailbox_id,
        "kind": row.kind,
        "from": row.sender,
        "to": json.loads(row.recipients),
        "cc": json.loads(row.copied),
        "subject": row.subject,
        "date": _shown_time(row.date),
        "message_id": row.header_message_id,
        "in_reply_to_message_id": row.message_id,
        "delivery_id": row.delivery_id,
        "recipient": row.recipient,
        "size": row.size,
        "received_at": clock.rfc3339(row.received_at),
        "folder": row.folder,
        "uid": None if (row.uid or "").startswith(NO_UIDL) else row.uid,
        "truncated": bool(row.truncated),
        "error": row.error,
        "auto_reply": bool(row.auto_reply),
        "forwarded": bool(row.forwarded),
        "findings": json.loads(row.findings or "[]"),
        "evidence": json.loads(row.evidence or "[]"),
    }


def shown_content(understood: UnderstoodMail) -> dict[str, Any]:
    """Return what GET of one arrival shows besides."""
    return {
        **_texts(understood),
        "attachments": _shown_attachments(understood.mail),
        "headers": [list(pair) for pair in understood.mail.headers],
    }


def event_data(classified: ClassifiedMail, mailbox_id: str, *, public_url: str) -> dict[str, Any]:
    """Return the data of an event about an arrival, except which message of ours it is about.

    The texts are left out, with ``truncated``, if one of them is too long.
    """
    understood = classified.understood
    mail, texts = understood.mail, _texts(understood)
    is_long = any(len(text.encode()) > MOST_EVENT_TEXT for text in texts.values() if text is not None)
    return {
        "arrival_id": classified.id,
        "mailbox_id": mailbox_id,
        "kind": classified.kind,
        "from": mail.from_,
        "to": list(mail.to),
        "cc": list(mail.cc),
        "subject": mail.subject,
        "date": _shown_time(mail.date),
        "message_id": None,
        "in_reply_to_message_id": None,
        "header_message_id": mail.message_id,
        "delivery_id": None,
        "recipient": None,
        **(dict.fromkeys(_CONTENT) if is_long else texts),
        "truncated": is_long,
        "attachments": [
            {"index": a["index"], "filename": a["filename"], "content_type": a["content_type"], "size": a["size"]}
            for a in _shown_attachments(mail)
        ],
        "auto_reply": classified.kind == "auto_reply",
        "forwarded": understood.reply.forwarded,
        "evidence": [],
        "error": classified.error,
        "raw_url": f"{public_url}/v1/inbound/{classified.id}/raw",
    }


def without_content(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of an event that tells of a recipient alone."""
    return {**data, **dict.fromkeys(_CONTENT), "attachments": []}


def _texts(understood: UnderstoodMail) -> dict[str, str | None]:
    mail, reply = understood.mail, understood.reply
    has_text = mail.text is not None or mail.html is not None
    return {
        "text": reply.text if has_text else None,
        "quoted": reply.quoted,
        "signature": reply.signature,
        "html": reply.html,
    }


def _shown_attachments(mail: ArrivedMail) -> list[dict[str, Any]]:
    return [
        {
            "index": attachment.index,
            "filename": attachment.filename,
            "content_type": attachment.content_type,
            "size": attachment.size,
            "content_id": attachment.content_id,
            "disposition": attachment.disposition,
        }
        for attachment in mail.attachments
    ]


def _shown_time(instant: int | None) -> str | None:
    return None if instant is None else clock.rfc3339(instant)
