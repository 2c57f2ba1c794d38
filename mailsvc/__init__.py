"""mailsvc: a durable mail-sending service for applications."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailsvc.callbacks.event import Event, Skip
    from mailsvc.embedding import Service
    from mailsvc.errors import (
        Conflict,
        FieldError,
        MailsvcError,
        SettingsError,
        TablesMissing,
        TooLarge,
        Unavailable,
        ValidationError,
    )
    from mailsvc.settings import Settings
    from mailsvc.transactional import Attachment, Outbox, Receipt, ReceiptDelivery, new_message_id

__all__ = [
    "Attachment",
    "Conflict",
    "Event",
    "FieldError",
    "MailsvcError",
    "Outbox",
    "Receipt",
    "ReceiptDelivery",
    "Service",
    "Settings",
    "SettingsError",
    "Skip",
    "TablesMissing",
    "TooLarge",
    "Unavailable",
    "ValidationError",
    "new_message_id",
]

# Imported when they are asked for: an application that only inserts submissions loads neither Flask nor drivers.
_HOMES = {
    "mailsvc.callbacks.event": ("Event", "Skip"),
    "mailsvc.embedding": ("Service",),
    "mailsvc.settings": ("Settings",),
    "mailsvc.errors": (
        "Conflict",
        "FieldError",
        "MailsvcError",
        "SettingsError",
        "TablesMissing",
        "TooLarge",
        "Unavailable",
        "ValidationError",
    ),
    "mailsvc.transactional": ("Attachment", "Outbox", "Receipt", "ReceiptDelivery", "new_message_id"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'mailsvc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
