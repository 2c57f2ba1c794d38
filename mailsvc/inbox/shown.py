"""The arrival as applications see it: in lists, alone, and in events."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from mailsvc import clock
from mailsvc.inbox.keep import NO_UIDL
from mailsvc.mime.arrived import ArrivedMail

__all__ = ["MOST_EVENT_TEXT", "arrival_columns", "event_data", "shown_arrival", "shown_content"]

MOST_EVENT_TEXT = 256 * 1024  # bytes; a longer text or HTML is left out of events
_encode = msgspec.json.Encoder().encode


def arrival_columns(mail: ArrivedMail, kind: str, error: str | None) -> dict[str, Any]:
    """Return the columns that are known once a mail is classified."""
    return {
        "kind": kind,
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
        "auto_reply": False,
        "forwarded": False,
        "findings": [],
        "evidence": [],
    }


def shown_content(mail: ArrivedMail) -> dict[str, Any]:
    """Return what GET of one arrival shows besides."""
    return {
        "text": mail.text,
        "quoted": None,
        "signature": None,
        "html": mail.html,
        "attachments": _shown_attachments(mail),
        "headers": [list(pair) for pair in mail.headers],
    }


def event_data(arrival: Mapping[str, Any], mail: ArrivedMail, *, public_url: str) -> dict[str, Any]:
    """Return the data of an event about an arrival, which has its id, mailbox and columns.

    The texts are left out, with ``truncated``, if one of them is too long.
    """
    is_long = any(len(text.encode()) > MOST_EVENT_TEXT for text in (mail.text, mail.html) if text is not None)
    return {
        "arrival_id": arrival["id"],
        "mailbox_id": arrival["mailbox_id"],
        "kind": arrival["kind"],
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
        "text": None if is_long else mail.text,
        "quoted": None,
        "signature": None,
        "html": None if is_long else mail.html,
        "truncated": is_long,
        "attachments": [
            {"index": a["index"], "filename": a["filename"], "content_type": a["content_type"], "size": a["size"]}
            for a in _shown_attachments(mail)
        ],
        "auto_reply": False,
        "forwarded": False,
        "error": arrival["error"],
        "raw_url": f"{public_url}/v1/inbound/{arrival['id']}/raw",
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
