"""Composes a checked message into its frozen bytes: once; then they are read back and compared, and never built again.

7-bit by RFC 2045 and 2047 (except for addresses that need RFC 6532), CRLF, lines of at most 998 octets. Every retry
sends exactly these bytes.
"""

import io
from collections.abc import Iterable
from itertools import chain

from mailsvc.domain.prepared import Prepared
from mailsvc.mime import headers
from mailsvc.mime.parts import Field, body_of, field_block
from mailsvc.mime.wire import HeaderMismatch, verify

__all__ = ["HeaderMismatch", "compose"]


def compose(
    prepared: Prepared, *, message_id: str, date: int, references: tuple[str, ...] = (), boundary_seed: str
) -> bytes:
    """Return the message in its wire form.

    Args:
        message_id: with its angle brackets.
        date: the instant of the Date field.
        references: the Message-IDs of the conversation, with the answered one last (RFC 5322 section 3.6.4).
        boundary_seed: unique to the message; letters, digits and underscores.

    Raises:
        HeaderMismatch: the result differs from the input; no part of it may be used.
    """
    body = body_of(prepared, boundary_seed)
    fields = [
        *_origin(prepared),
        ("Date", headers.date_time(date)),
        ("Message-ID", message_id),
        *_thread(prepared, references),
        *_own(prepared),
        ("MIME-Version", "1.0"),
        *body.fields,
    ]
    chunks = chain((field_block(fields), b"\r\n"), body.chunks)
    message = _in_one_buffer(chunks) if prepared.attachments else b"".join(chunks)
    verify(message, [name for name, _ in fields])
    return message


def _in_one_buffer(chunks: Iterable[bytes]) -> bytes:
    """Join the chunks in one buffer, so that a large attachment exists only twice (as given and encoded)."""
    out = io.BytesIO()
    out.writelines(chunks)
    return out.getvalue()


def _origin(prepared: Prepared) -> list[Field]:
    fields = [("From", headers.address_list("From", (prepared.sender,)))]
    if prepared.agent is not None:
        fields.append(("Sender", headers.address_list("Sender", (prepared.agent,))))
    if prepared.to:
        fields.append(("To", headers.address_list("To", prepared.to)))
    elif not prepared.cc:
        # Some servers add a field of their own if there is no recipient field.
        fields.append(("To", "undisclosed-recipients:;"))
    if prepared.cc:
        fields.append(("Cc", headers.address_list("Cc", prepared.cc)))
    if prepared.reply_to:
        fields.append(("Reply-To", headers.address_list("Reply-To", prepared.reply_to)))
    if prepared.subject is not None:
        fields.append(("Subject", headers.unstructured("Subject", prepared.subject)))
    return fields


def _thread(prepared: Prepared, references: tuple[str, ...]) -> list[Field]:
    parent = prepared.in_reply_to or ""
    if not references and parent.startswith("<"):
        references = (parent,)
    if not references:
        return []
    return [("In-Reply-To", references[-1]), ("References", headers.identifiers(references))]


def _own(prepared: Prepared) -> list[Field]:
    """Return the application's fields, and the field for one-click if requested (RFC 8058 section 3.1)."""
    fields: list[Field] = []
    for name, given in prepared.headers.items():
        fields += [(name, headers.raw_value(name, v)) for v in ((given,) if isinstance(given, str) else given)]
    is_marked = any(name.lower() == "list-unsubscribe-post" for name, _ in fields)
    if prepared.list_unsubscribe_post and not is_marked:
        fields.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return fields
