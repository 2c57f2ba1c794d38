"""What a message says beside its content: django-anymail's attributes, and ours."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.mail import EmailMessage
from django.utils import timezone

from mailsvc_sdk.django._options import setting

__all__ = ["UnsupportedFeature", "handling_of"]

# None, an empty value or False ask for nothing.
_UNSUPPORTED = (
    "merge_data",
    "merge_global_data",
    "merge_metadata",
    "merge_headers",
    "template_id",
    "track_opens",
    "track_clicks",
)
_OURS = ("scheduled_at", "expires_in", "priority", "on_uncertain", "relay", "idempotency_key")


class UnsupportedFeature(ValueError):
    """A message asks for what mailsvc does not do. ``MAILSVC = {"IGNORE_UNSUPPORTED_FEATURES": True}`` sends it without."""


def handling_of(message: EmailMessage, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that a message asks for, over those that its mailer gives. Raises UnsupportedFeature."""
    _require_supported(message)
    found = dict(usual)
    found["tags"] = [*usual.get("tags", []), *(getattr(message, "tags", None) or ())]
    metadata = getattr(message, "metadata", None) or {}
    found["metadata"] = {**usual.get("metadata", {}), **{key: str(value) for key, value in metadata.items()}}
    if getattr(message, "send_at", None):
        found["scheduled_at"] = _instant(message.send_at)
    if getattr(message, "envelope_sender", None):
        found["return_path"] = message.envelope_sender
    ours = {name: getattr(message, name, None) for name in _OURS}
    found |= {name: value for name, value in ours.items() if value is not None}
    found |= getattr(message, "esp_extra", None) or {}
    return {name: value for name, value in found.items() if value not in ([], {})}


def _require_supported(message: EmailMessage) -> None:
    if setting("IGNORE_UNSUPPORTED_FEATURES"):
        return
    for name in _UNSUPPORTED:
        if getattr(message, name, None):
            raise UnsupportedFeature(f"mailsvc has no {name}")


def _instant(value: datetime | date | float | str) -> datetime | str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
