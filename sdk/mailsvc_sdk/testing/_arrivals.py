"""Mails that arrive in tests."""

import base64
from email.message import EmailMessage
from typing import Any

from mailsvc_sdk._ids import new_id
from mailsvc_sdk.testing._mime import mime_of
from mailsvc_sdk.testing._sent import SentMail
from mailsvc_sdk.testing._state import State, now

__all__ = ["arrived"]

MAILBOX = "mbx_fake"


def arrived(
    state: State, about: SentMail, delivery: dict[str, Any], sender: str, kind: str, content: dict[str, Any]
) -> dict[str, Any]:
    """Store a mail that answers one of ours. Returns the members of its event."""
    id_, raw = new_id("arr"), _raw(about, sender, kind, content)
    attachments = [_shown(index, entry) for index, entry in enumerate(content.get("attachments", []))]
    common = {
        "mailbox_id": MAILBOX,
        "kind": kind,
        "from": sender,
        "to": [str(raw["To"])],
        "cc": [],
        "subject": str(raw["Subject"]),
        "date": now(),
        "in_reply_to_message_id": about.id,
        "delivery_id": delivery["id"],
        "recipient": delivery["recipient"],
        "auto_reply": kind == "auto_reply",
        "forwarded": False,
        "truncated": False,
        "error": None,
        "evidence": ["in_reply_to"],
        "text": content.get("text"),
        "quoted": None,
        "signature": None,
        "html": content.get("html"),
        "attachments": attachments,
    }
    state.raw_arrivals[id_] = raw.as_bytes()
    state.arrivals[id_] = common | _of_arrival(id_, raw)
    return common | {
        "arrival_id": id_,
        "header_message_id": str(raw["Message-ID"]),
        "raw_url": f"/v1/inbound/{id_}/raw",
    }


def _of_arrival(id_: str, raw: EmailMessage) -> dict[str, Any]:
    return {
        "id": id_,
        "message_id": str(raw["Message-ID"]),
        "size": len(raw.as_bytes()),
        "received_at": now(),
        "folder": "INBOX",
        "uid": None,
        "findings": [],
        "headers": [[name, str(value)] for name, value in raw.items()],
    }


def _raw(about: SentMail, sender: str, kind: str, content: dict[str, Any]) -> EmailMessage:
    to = (about.reply_to or [about.from_])[0]
    headers = {"In-Reply-To": about.message_id, "References": about.message_id}
    if kind == "auto_reply":
        headers["Auto-Submitted"] = "auto-replied"
    draft = {"from": sender, "to": to, "subject": f"Re: {about.subject or ''}", "headers": headers, **content}
    return mime_of(draft, f"<{new_id('in')}@fake.test>")


def _shown(index: int, entry: dict[str, Any]) -> dict[str, Any]:
    kept = {name: entry.get(name) for name in ("filename", "content_type", "content_id", "disposition")}
    return kept | {"index": index, "size": len(base64.b64decode(entry["content"]))}
