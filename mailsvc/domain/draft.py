"""A message as an application submits it (contract: the JSON of ``POST /v1/messages``); its rules are in ``message_form``."""

from typing import Any

import msgspec

from mailsvc.domain.prepared import (
    Attachment,
    Headers,
    Limits,
    OnUncertain,
    Prepared,
    Priority,
    Recipient,
    require_size,
)

__all__ = ["Attachment", "Draft", "Handling", "Limits", "Prepared", "Recipient", "require_size"]

DEFAULT_EXPIRES_IN = 259_200  # seconds: three days


class Draft(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The input as received; only its types are checked."""

    from_: str = msgspec.field(name="from")
    to: str | tuple[str, ...] = ()
    cc: str | tuple[str, ...] = ()
    bcc: str | tuple[str, ...] = ()
    reply_to: str | tuple[str, ...] = ()
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    headers: Headers = {}
    attachments: tuple[Attachment, ...] = ()
    template: str | None = None
    variables: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    scheduled_at: str | None = None
    expires_in: int = DEFAULT_EXPIRES_IN
    priority: Priority = "normal"
    relay: str | None = None
    on_uncertain: OnUncertain = "resend"
    delivery_receipt: bool = False
    in_reply_to: str | None = None
    sender: str | None = None
    return_path: str | None = None
    list_unsubscribe_post: bool = False
    force: bool = False
    store: bool = True


class Handling(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, gc=False):
    """The settings for handling a message: the members of a draft that are not about its content."""

    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    scheduled_at: int | None = None  # an instant in the future
    expires_in: int = DEFAULT_EXPIRES_IN
    priority: Priority = "normal"
    relay: str | None = None
    on_uncertain: OnUncertain = "resend"
    delivery_receipt: bool = False
