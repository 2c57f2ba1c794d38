"""The events: a frozen class per type.

::

    match event:
        case MessageBounced(recipient=address, bounce=Bounce(type="hard")):
            ...
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mailsvc_sdk._models.event import (
    Event,
    InboundEvent,
    InboundReceived,
    InboundUnmatchedBounce,
    MessageAutoReplied,
    MessageBounced,
    MessageCanceled,
    MessageComplained,
    MessageDeferred,
    MessageDelayed,
    MessageDelivered,
    MessageEvent,
    MessageExpired,
    MessageHeld,
    MessageQueued,
    MessageReplied,
    MessageSent,
    MessageSuppressed,
    MessageUncertain,
    UnknownEvent,
)
from mailsvc_sdk._models.record import decode, utc
from mailsvc_sdk._models.service_event import (
    MailboxEvent,
    MailboxFailing,
    MailboxRecovered,
    RelayEvent,
    RelayPaused,
    RelayResumed,
    SubmissionRejected,
    SuppressionAdded,
    SuppressionEvent,
    SuppressionRemoved,
    WebhookDisabled,
    WebhookTest,
)

__all__ = [
    "EVENT_TYPES",
    "Event",
    "InboundEvent",
    "InboundReceived",
    "InboundUnmatchedBounce",
    "MailboxEvent",
    "MailboxFailing",
    "MailboxRecovered",
    "MessageAutoReplied",
    "MessageBounced",
    "MessageCanceled",
    "MessageComplained",
    "MessageDeferred",
    "MessageDelayed",
    "MessageDelivered",
    "MessageEvent",
    "MessageExpired",
    "MessageHeld",
    "MessageQueued",
    "MessageReplied",
    "MessageSent",
    "MessageSuppressed",
    "MessageUncertain",
    "RelayEvent",
    "RelayPaused",
    "RelayResumed",
    "SubmissionRejected",
    "SuppressionAdded",
    "SuppressionEvent",
    "SuppressionRemoved",
    "UnknownEvent",
    "WebhookDisabled",
    "WebhookTest",
    "parse",
]


def _types() -> Mapping[str, type[Event]]:
    named = (globals()[name] for name in __all__ if name not in {"EVENT_TYPES", "parse"})
    return MappingProxyType({kind.event_type: kind for kind in named if kind.event_type})


EVENT_TYPES: Mapping[str, type[Event]] = _types()


def parse(event: Mapping[str, Any] | bytes | str, *, cursor: str | None = None) -> Event:
    """Return an event of its JSON. Raises ValueError if it is not one."""
    document = event if isinstance(event, Mapping) else json.loads(event)
    try:
        return _parsed(document, cursor)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("not an event: a JSON object with id, type, timestamp and data") from error


def _parsed(document: Mapping[str, Any], cursor: str | None) -> Event:
    data = document.get("data") or {}
    if not isinstance(document["type"], str) or not isinstance(data, Mapping):
        raise TypeError
    kind = EVENT_TYPES.get(document["type"], UnknownEvent)
    named = {**data, "suppression_id": data.get("id")} if issubclass(kind, SuppressionEvent) else data
    return decode(
        kind,
        named,
        id=document["id"],
        type=document["type"],
        timestamp=utc(document["timestamp"]),
        sequence=document.get("sequence"),
        data=data,
        cursor=cursor,
        raw=document,
    )
