"""Checks an attachment's name, type and content id."""

import re

import msgspec

from mailsvc.domain.errors import FieldError
from mailsvc.domain.fieldtext import field_flaw
from mailsvc.domain.mediatype import media_type_flaw
from mailsvc.domain.prepared import Attachment

_TO_STANDARD = str.maketrans("-_", "+/", "\r\n\t ")
# No encoded word: lenient readers decode it even here, and it could hide a line break.
_CONTENT_ID = re.compile(r"(?!.*=\?)<?([A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200})>?")


def standard_base64(text: str) -> str:
    """Convert Base64 with line breaks, or in the URL-safe alphabet (RFC 4648 section 5), to the form of section 4.

    Padding is optional only in the URL-safe form: otherwise a truncated content would not be noticed.
    """
    if "-" in text or "_" in text:
        text = text.translate(_TO_STANDARD)
        return text if text.endswith("=") else text + "=" * (-len(text) % 4)
    return text.translate(_TO_STANDARD) if any(char in text for char in "\r\n\t ") else text


def check_attachments(attachments: tuple[Attachment, ...], errors: list[FieldError]) -> tuple[Attachment, ...]:
    """Return the attachments with bare content ids; adds every error to ``errors``."""
    checked = []
    ids: set[str] = set()
    for index, attachment in enumerate(attachments):
        where = f"attachments.{index}"
        if flaw := _filename_flaw(attachment.filename):
            errors.append(FieldError(f"{where}.filename", flaw))
        if flaw := media_type_flaw(attachment.content_type):
            errors.append(FieldError(f"{where}.content_type", flaw))
        if attachment.content_id is not None:
            checked.append(_with_bare_id(attachment, ids, f"{where}.content_id", errors))
        else:
            checked.append(attachment)
    return tuple(checked)


def _filename_flaw(name: str) -> str | None:
    if not name.strip(" ."):
        return "is empty; name the file, such as report.pdf"
    if flaw := field_flaw(name):
        return flaw
    if "/" in name or "\\" in name or "\t" in name:
        return "must not contain / \\ or a tab; give the name without its folders"
    if len(name.encode()) > 255:
        return "is longer than 255 octets; shorten it"
    return None


def _with_bare_id(attachment: Attachment, ids: set[str], field: str, errors: list[FieldError]) -> Attachment:
    given = attachment.content_id or ""
    match = _CONTENT_ID.fullmatch(given)
    if match is None or given.startswith("<") != given.endswith(">"):
        errors.append(FieldError(field, "is not a content id; use letters, digits and . _ - @, such as logo@app"))
        return attachment
    if match[1] in ids:
        errors.append(FieldError(field, "is used by an earlier attachment too; give each its own"))
    ids.add(match[1])
    return msgspec.structs.replace(attachment, content_id=match[1])
