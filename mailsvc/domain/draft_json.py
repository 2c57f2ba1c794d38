"""A draft in JSON, as ``POST /v1/messages`` and the table ``mailsvc_submission`` take it."""

from typing import Any

from mailsvc.domain.draft import Draft
from mailsvc.domain.files import standard_base64
from mailsvc.domain.strict_json import convert

__all__ = ["draft_in"]


def draft_in(value: Any) -> Draft:
    """Return the draft in this parsed JSON; accepts any variant of base64 in attachments. Raises Invalid."""
    attachments = value.get("attachments") if isinstance(value, dict) else None
    for attachment in attachments if isinstance(attachments, list) else ():
        if isinstance(attachment, dict) and isinstance(content := attachment.get("content"), str):
            attachment["content"] = standard_base64(content)
    return convert(value, Draft)
