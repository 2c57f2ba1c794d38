"""The JSON objects for webhooks, changes to them and their deliveries."""

from typing import Any, Literal, get_args

import msgspec

from mailsvc import clock

__all__ = [
    "POST_STATUSES",
    "Replay",
    "Replayed",
    "Rotation",
    "Trial",
    "WebhookChanges",
    "WebhookDelivery",
    "WebhookDeliveryList",
    "WebhookList",
    "WebhookObject",
    "shown_webhook_delivery",
]

PostStatus = Literal["queued", "sending", "delivered", "failed"]
POST_STATUSES: tuple[str, ...] = get_args(PostStatus)
DEFAULT_GRACE = 86_400  # seconds


class WebhookObject(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A webhook as it is shown; its secret only in the response that created it."""

    id: str
    url: str
    events: list[str]
    description: str | None
    ca_pem: str | None
    enabled: bool
    secret: str
    old_secret_until: str | None
    managed: bool
    failing_since: str | None
    disabled_reason: str | None
    created_at: str
    updated_at: str


class WebhookList(msgspec.Struct):
    """A page of webhooks, newest first."""

    data: list[WebhookObject]
    next_cursor: str | None


class WebhookChanges(msgspec.Struct, kw_only=True):
    """A JSON merge patch: members that are given change, null resets to the default."""

    url: str | msgspec.UnsetType = msgspec.UNSET
    events: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    ca_pem: str | msgspec.UnsetType | None = msgspec.UNSET
    enabled: bool | msgspec.UnsetType | None = msgspec.UNSET


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """How long the previous secret also signs."""

    grace_seconds: int = DEFAULT_GRACE


class Trial(msgspec.Struct):
    """The result of posting a ``webhook.test`` event."""

    delivered: bool
    status_code: int | None
    duration_ms: float
    error: str | None


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """One event by its id, or the events of a time range. ``types`` takes the same values as ``events`` of a webhook."""

    event_id: str | None = None
    since: str | None = None
    until: str | None = None
    types: list[str] | None = None


class Replayed(msgspec.Struct):
    """How many events were queued again."""

    queued: int


class WebhookDelivery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One event for one webhook. ``response`` is the body of the last response that was not 2xx."""

    event_id: str
    type: str | None
    status: PostStatus
    attempts: int
    next_attempt_at: str | None
    status_code: int | None
    error: str | None
    response: str | None
    duration_ms: float | None
    created_at: str
    updated_at: str


class WebhookDeliveryList(msgspec.Struct):
    """A page of deliveries, newest event first."""

    data: list[WebhookDelivery]
    next_cursor: str | None


def shown_webhook_delivery(row: Any) -> dict[str, Any]:
    # During a post, due_at is the end of the worker's lease, not the time of the next attempt.
    waits = row.status == "queued" and row.due_at is not None
    return {
        "event_id": row.event_id,
        "type": row.type,
        "status": row.status,
        "attempts": row.attempts,
        "next_attempt_at": clock.rfc3339(row.due_at) if waits else None,
        "status_code": row.status_code,
        "error": row.error,
        "response": row.response,
        "duration_ms": row.duration_ms,
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }
