"""mailsvc's events, as django-anymail's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from mailsvc_sdk import events as kinds
from mailsvc_sdk._client import Mailsvc
from mailsvc_sdk.events import Event

try:
    from anymail.inbound import AnymailInboundMessage
    from anymail.signals import AnymailInboundEvent as InboundEvent
    from anymail.signals import AnymailTrackingEvent as TrackingEvent
except ImportError:
    AnymailInboundMessage = None

    @dataclass(kw_only=True)
    class TrackingEvent:  # type: ignore[no-redef]
        """What happened to a message."""

        event_type: str
        timestamp: datetime
        event_id: str
        esp_event: Mapping[str, Any]
        message_id: str | None = None
        recipient: str | None = None
        tags: list[str] = field(default_factory=list)
        metadata: dict[str, str] = field(default_factory=dict)
        reject_reason: str | None = None
        mta_response: str | None = None
        description: str | None = None
        user_agent: str | None = None
        click_url: str | None = None

    @dataclass(kw_only=True)
    class InboundEvent:  # type: ignore[no-redef]
        """A mail that arrived."""

        event_type: str
        timestamp: datetime
        event_id: str
        esp_event: Mapping[str, Any]
        message: EmailMessage


__all__ = ["inbound_event", "tracking_event"]

_TYPES: Mapping[type[Event], tuple[str, str | None]] = {
    kinds.MessageQueued: ("queued", None),
    kinds.MessageSent: ("sent", None),
    kinds.MessageDeferred: ("deferred", None),
    kinds.MessageDelayed: ("deferred", None),
    kinds.MessageDelivered: ("delivered", None),
    kinds.MessageBounced: ("bounced", "bounced"),
    kinds.MessageExpired: ("bounced", "timed_out"),
    kinds.MessageComplained: ("complained", "spam"),
    kinds.MessageSuppressed: ("rejected", "other"),
    kinds.MessageCanceled: ("unknown", None),
    kinds.MessageHeld: ("unknown", None),
    kinds.MessageUncertain: ("unknown", None),
    kinds.MessageAutoReplied: ("autoresponded", None),
}
_BOUNCES = {
    "mailbox_unknown": "invalid",
    "mailbox_disabled": "invalid",
    "domain_unknown": "invalid",
    "spam_rejected": "spam",
    "policy_rejected": "blocked",
    "reputation_blocked": "blocked",
}
_SUPPRESSIONS = {"hard_bounce": "bounced", "complaint": "spam", "unsubscribe": "unsubscribed"}


def tracking_event(event: Event) -> TrackingEvent | None:
    """Return what a receiver of ``tracking`` is told of an event; None if nothing."""
    if isinstance(event, kinds.SuppressionAdded):
        return _tracking(event, "unsubscribed", None) if event.reason == "unsubscribe" else None
    kind, reason = _TYPES.get(type(event), ("", None))
    return _tracking(event, kind, _reason(event) or reason) if kind else None


def _reason(event: Event) -> str | None:
    if isinstance(event, kinds.MessageBounced) and event.bounce:
        return _BOUNCES.get(event.bounce.reason)
    if isinstance(event, kinds.MessageSuppressed):
        return _SUPPRESSIONS.get(str(event.data.get("reason")))
    return None


def _tracking(event: Event, kind: str, reason: str | None) -> TrackingEvent:
    smtp, bounce = getattr(event, "smtp", None), getattr(event, "bounce", None)
    reply = " ".join(str(part) for part in (smtp.code, smtp.enhanced_code, smtp.text) if part) if smtp else None
    return TrackingEvent(
        event_type=kind,
        timestamp=event.timestamp,
        event_id=event.id,
        esp_event=event.raw,
        message_id=getattr(event, "message_id", None),
        recipient=getattr(event, "recipient", None) or getattr(event, "address", None),
        tags=list(getattr(event, "tags", None) or ()),
        metadata=dict(getattr(event, "metadata", None) or {}),
        reject_reason=reason,
        mta_response=reply or (bounce.diagnostic if bounce else None),
        description=event.data.get("detail") or (bounce.reason if bounce else None),
    )


def inbound_event(event: kinds.InboundEvent, mail: Mailsvc) -> InboundEvent:
    """Return what a receiver of ``inbound`` is told; the mail is fetched."""
    raw = mail.inbound.raw(event.arrival_id or "")
    parsed = (
        message_from_bytes(raw, policy=policy.default)
        if AnymailInboundMessage is None
        else AnymailInboundMessage.parse_raw_mime_bytes(raw)
    )
    return InboundEvent(
        event_type="inbound", timestamp=event.timestamp, event_id=event.id, esp_event=event.raw, message=parsed
    )
