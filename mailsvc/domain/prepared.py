"""A message that passed all checks: the form between the intake's rules and the composer."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from mailsvc.domain.address import Mailbox
from mailsvc.domain.errors import TooLarge

RecipientKind = Literal["to", "cc", "bcc"]
Priority = Literal["high", "normal", "low"]
OnUncertain = Literal["resend", "hold", "verify"]
Disposition = Literal["attachment", "inline", "alternative"]
Headers = dict[str, str | tuple[str, ...]]  # a field that occurs several times has several values

MIB = 1 << 20


class Attachment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, gc=False):
    """A file of a message; in JSON the content is base64 (RFC 4648 section 4)."""

    filename: str
    content: bytes
    content_type: str = "application/octet-stream"
    content_id: str | None = None
    disposition: Disposition | None = None  # None: inline if the HTML refers to it, else attachment


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request; each is a setting ``MAILSVC_`` + the name."""

    max_request_bytes: int = 35 * MIB
    max_message_bytes: int = 25 * MIB
    max_recipients: int = 1000
    max_attachments: int = 100


class Recipient(msgspec.Struct, frozen=True, gc=False):
    """One future delivery: an envelope address, and the field of the message that names it."""

    address: str
    kind: RecipientKind
    needs_smtputf8: bool  # for this delivery, because of its address or of the headers


class Prepared(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Checked and normalised; texts have CRLF line breaks, header values contain no control characters."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    recipients: tuple[Recipient, ...]  # each address once, to before cc before bcc
    utf8_headers: bool  # an address in a header needs UTF-8 (RFC 6532)
    subject: str | None
    text: str | None
    html: str | None
    headers: Headers
    attachments: tuple[Attachment, ...]
    tags: tuple[str, ...]
    metadata: dict[str, str]
    scheduled_at: int | None  # an instant in the future
    expires_in: int  # seconds
    priority: Priority
    relay: str | None  # name or id
    on_uncertain: OnUncertain
    delivery_receipt: bool
    in_reply_to: str | None  # as given: an id of mailsvc, or a Message-ID in angle brackets
    agent: Mailbox | None  # for the field Sender
    return_path: str | None  # for this message, instead of the relay's
    list_unsubscribe_post: bool
    store: bool  # keep the content when nothing more is to be sent


def recipients_of(
    to: tuple[Mailbox, ...], cc: tuple[Mailbox, ...], bcc: tuple[Mailbox, ...], *, utf8_headers: bool
) -> tuple[Recipient, ...]:
    """Return one recipient per address, the first mention counts; addresses are compared case-insensitively."""
    found: dict[str, Recipient] = {}
    kinds: tuple[tuple[RecipientKind, tuple[Mailbox, ...]], ...] = (("to", to), ("cc", cc), ("bcc", bcc))
    for kind, mailboxes in kinds:
        for mailbox in mailboxes:
            address = mailbox.addr
            if address.lower() not in found:
                found[address.lower()] = Recipient(address, kind, utf8_headers or mailbox.needs_smtputf8)
    return tuple(found.values())


def require_size(size: int, limits: Limits) -> None:
    """Reject a message whose wire form is over the limit.

    Raises:
        TooLarge: it is; the detail names the setting.
    """
    if size > limits.max_message_bytes:
        raise TooLarge(
            f"The message is {size} bytes in its sent form, {limits.max_message_bytes} are allowed "
            "(MAILSVC_MAX_MESSAGE_BYTES); send fewer or smaller attachments, or a link."
        )
