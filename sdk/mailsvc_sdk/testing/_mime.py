"""Drafts and MIME messages, turned into each other."""

import base64
from collections.abc import Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses
from typing import Any

from mailsvc_sdk.testing._rules import bare, listed

__all__ = ["draft_of", "mime_of"]


def mime_of(draft: Mapping[str, Any], message_id: str) -> EmailMessage:
    """Return the mail that a draft makes."""
    mail = EmailMessage(policy=SMTP)
    for name in ("from", "to", "cc", "reply_to", "sender", "subject"):
        value = draft.get(name)
        if value:
            mail[name.replace("_", "-").title()] = value if isinstance(value, str) else ", ".join(value)
    mail["Message-ID"] = message_id
    for name, value in (draft.get("headers") or {}).items():
        for one in listed(value):
            mail[name] = one
    _set_content(mail, draft)
    return mail


def _set_content(mail: EmailMessage, draft: Mapping[str, Any]) -> None:
    text, html = draft.get("text"), draft.get("html")
    if text is not None or html is None:
        mail.set_content(text or "")
    if html is not None:
        if text is None:
            mail.set_content(html, subtype="html")
        else:
            mail.add_alternative(html, subtype="html")
    for attachment in draft.get("attachments") or []:
        _attach(mail, attachment)


def _attach(mail: EmailMessage, attachment: Mapping[str, Any]) -> None:
    kind = (attachment.get("content_type") or "application/octet-stream").partition(";")[0]
    main, _, sub = kind.partition("/")
    mail.add_attachment(
        base64.b64decode(attachment["content"]),
        maintype=main,
        subtype=sub or "octet-stream",
        filename=attachment["filename"],
        disposition=attachment.get("disposition") or "attachment",
        cid=f"<{attachment['content_id']}>" if attachment.get("content_id") else None,
    )


def draft_of(mime: bytes, params: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the draft that says the same as a MIME message and the query parameters beside it."""
    mail = message_from_bytes(mime, policy=SMTP)
    assert isinstance(mail, EmailMessage)
    found: dict[str, Any] = {name: _addresses(mail, name) for name in ("to", "cc", "bcc", "reply_to")}
    found["from"] = params["from"][0] if "from" in params else str(mail["From"] or "")
    found["subject"] = None if mail["Subject"] is None else str(mail["Subject"])
    if "to" in params:
        found |= _enveloped(found, params["to"])
    return found | _bodies(mail) | _handling(params)


def _addresses(mail: EmailMessage, name: str) -> list[str]:
    fields = [str(value) for value in mail.get_all(name.replace("_", "-"), [])]
    return [f"{label} <{mail_}>" if label else mail_ for label, mail_ in getaddresses(fields)]


def _enveloped(headers: Mapping[str, list[str]], envelope: list[str]) -> dict[str, list[str]]:
    wanted = {bare(address) for address in envelope}
    shown = {name: [a for a in headers[name] if bare(a) in wanted] for name in ("to", "cc")}
    seen = {bare(address) for addresses in shown.values() for address in addresses}
    return {**shown, "bcc": [address for address in envelope if bare(address) not in seen]}


def _bodies(mail: EmailMessage) -> dict[str, Any]:
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    return {
        "text": plain.get_content() if plain else "" if html is None else None,
        "html": html.get_content() if html else None,
        "attachments": [_attachment(part) for part in mail.iter_attachments() if isinstance(part, EmailMessage)],
    }


def _attachment(part: EmailMessage) -> dict[str, Any]:
    content = part.get_payload(decode=True)
    return {
        "filename": part.get_filename() or "unnamed",
        "content": base64.b64encode(content if isinstance(content, bytes) else b"").decode(),
        "content_type": part.get_content_type(),
        "content_id": (part["Content-ID"] or "").strip("<>") or None,
        "disposition": part.get_content_disposition(),
    }


def _handling(params: Mapping[str, list[str]]) -> dict[str, Any]:
    words = {
        name: values[0]
        for name, values in params.items()
        if name in {"relay", "scheduled_at", "priority", "on_uncertain"}
    }
    found: dict[str, Any] = dict(words)
    if "expires_in" in params:
        found["expires_in"] = int(params["expires_in"][0])
    if "delivery_receipt" in params:
        found["delivery_receipt"] = params["delivery_receipt"][0] == "true"
    found["tags"] = params.get("tag", [])
    found["metadata"] = {k.removeprefix("metadata."): v[0] for k, v in params.items() if k.startswith("metadata.")}
    return found
