"""What the fake service holds: messages, events, arrivals, suppressions."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mailsvc_sdk._ids import new_id
from mailsvc_sdk._models.words import FINAL
from mailsvc_sdk.events import Event, parse
from mailsvc_sdk.testing._problem import Problem
from mailsvc_sdk.testing._sent import SentMail

__all__ = ["State", "now", "overall_status", "planned"]

_ATTENTION = ("held", "deferred", "sending", "queued", "scheduled")


def now() -> str:
    """Return the present time in RFC 3339."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def overall_status(deliveries: list[dict[str, Any]]) -> str:
    """Return a message's status: that of its deliveries, ``partial``, or the one that needs attention first."""
    statuses = {delivery["status"] for delivery in deliveries}
    if len(statuses) == 1:
        return str(statuses.pop())
    return "partial" if statuses <= FINAL else next(word for word in _ATTENTION if word in statuses)


def planned(document: Mapping[str, Any]) -> str:
    """Return the status of a delivery that nothing was done for yet."""
    return "scheduled" if document.get("scheduled_at") else "queued"


@dataclass(slots=True)
class State:
    """Everything, in the order in which it came."""

    outbox: list[SentMail] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    arrivals: dict[str, dict[str, Any]] = field(default_factory=dict)
    raw_arrivals: dict[str, bytes] = field(default_factory=dict)
    suppressions: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, tuple[bytes, Any]] = field(default_factory=dict)  # by idempotency key
    lock: threading.RLock = field(default_factory=threading.RLock)

    def mail(self, id_: str) -> SentMail:
        """Return a mail by its id. Raises Problem."""
        for mail in self.outbox:
            if mail.id == id_:
                return mail
        raise Problem(404, "not_found", f"there is no message {id_!r}")

    def move(self, mail: SentMail, delivery: dict[str, Any], status: str) -> None:
        """Give a delivery another status."""
        delivery |= {"status": status, "updated_at": now(), "next_attempt_at": None}
        mail.document.update(status=overall_status(mail.document["deliveries"]), updated_at=now())

    def tell(self, type_: str, data: Mapping[str, Any], *, of: str | None = None) -> Event:
        """Append an event.

        Args:
            of: what its sequence counts in.
        """
        sequence = None if of is None else 1 + sum(self._subject(event) == of for event in self.events)
        document = {"id": new_id("evt"), "type": type_, "timestamp": now(), "sequence": sequence, "data": dict(data)}
        event = parse(document)
        self.events.append(event)
        return event

    @staticmethod
    def _subject(event: Event) -> object:
        return event.data.get("message_id" if event.type.startswith("message.") else "mailbox_id")

    def suppression_of(self, address: str, tags: list[str]) -> dict[str, Any] | None:
        """Return the suppression that keeps mail with these tags from an address."""
        for found in self.suppressions.values():
            if found["address"].lower() == address.lower() and (found["tag"] is None or found["tag"] in tags):
                return found
        return None

    def suppress(self, address: str, *, reason: str = "manual", **more: Any) -> dict[str, Any]:
        """Add a suppression, and tell of it."""
        made = {"id": new_id("sup"), "address": address, "reason": reason, "tag": None, "note": None, "event_id": None}
        made |= {"created_at": now(), "updated_at": now()} | {k: v for k, v in more.items() if v is not None}
        self.suppressions[str(made["id"])] = made
        self.tell("suppression.added", made)
        return made

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self.outbox, self.events, self.arrivals, self.raw_arrivals, self.suppressions, self.answers):
            kept.clear()
