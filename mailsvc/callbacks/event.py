"""What a handler is called with, and what it may raise."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Event", "Skip"]


@dataclass(frozen=True, slots=True)
class Event:
    """A fact about a message, relay, mailbox or address: the JSON that a webhook would be sent.

    Attributes:
        id: ``evt_…``; an event may come again after a crash, with the same id.
        type: such as ``message.bounced``.
        timestamp: aware, in UTC.
        sequence: counts within the message or the mailbox; None where neither is meant.
        data: what docs/events.md says for the type.
        app: the name of the app.
        raw: the whole JSON object.
    """

    id: str
    type: str
    timestamp: datetime
    sequence: int | None
    data: Mapping[str, Any]
    app: str
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, body: str, *, app: str) -> "Event":
        """Return the event with this stored body."""
        raw = json.loads(body)
        timestamp = datetime.fromisoformat(raw["timestamp"])
        return cls(raw["id"], raw["type"], timestamp, raw["sequence"], raw["data"], app, raw)


class Skip(Exception):
    """Raised by a handler: this event is done with, for good."""
