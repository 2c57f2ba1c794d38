"""The events that tell of a mail."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mailsvc.domain.lifecycle import message_status
from mailsvc.eventlog.append import NewEvent
from mailsvc.findings.judgement import Circumstances, Finding, Judgement
from mailsvc.findings.known import KnownDelivery
from mailsvc.findings.match import Match
from mailsvc.inbox.shown import without_content

__all__ = ["about", "arrival_event", "data_of_each", "message_event", "unmatched_event"]

MOST_OF_EVENTS = 4 * 1024 * 1024  # bytes of what the events of one mail have in common, altogether
MOST_SUBJECT = 998  # characters

_encode = msgspec.json.Encoder().encode


def about(match: Match) -> dict[str, Any]:
    """Return which message of ours an event is about."""
    delivery = match.delivery
    return {
        "message_id": match.message.id,
        "in_reply_to_message_id": match.message.id,
        "delivery_id": delivery.id if delivery else None,
        "recipient": delivery.recipient if delivery else None,
        "evidence": match.evidence,
    }


def data_of_each(data: dict[str, Any], events: int) -> dict[str, Any]:
    """Return the data for so many events about the recipients of one report.

    Anybody can send a long mail about a thousand recipients. If its content were too much altogether it is left out, and
    then its addresses, too, with ``truncated``: the arrival has them.
    """
    without = {**without_content(data), "truncated": True}
    least = {**without, "to": [], "cc": [], "subject": (data["subject"] or "")[:MOST_SUBJECT] or None}
    return next((one for one in (data, without) if len(_encode(one)) * events <= MOST_OF_EVENTS), least)


def arrival_event(found: Judgement, seen: Circumstances, data: dict[str, Any]) -> NewEvent:
    """Return the event of a mail that has no other."""
    told = {**data, **(about(found.about) if found.about else {}), "kind": found.kind}
    return _inbound(seen, "inbound.received", told)


def unmatched_event(finding: Finding, tried: Sequence[str], seen: Circumstances, data: dict[str, Any]) -> NewEvent:
    """Return the event of a bounce that is about no known message.

    Args:
        tried: the kinds of clues that the mail has, and that did not hold.
    """
    told = {"recipient": finding.recipient, "bounce": finding.bounce, "evidence": tried}
    return _inbound(seen, "inbound.unmatched_bounce", {**without_content(data), **told})


def message_event(event_type: str, match: Match, data: dict[str, Any]) -> NewEvent:
    """Return an event about a message whose deliveries it does not change."""
    message, delivery = match.message, match.delivery
    told = {
        **data,
        **about(match),
        "status": delivery.status if delivery else _status(message.deliveries),
        "tags": msgspec.Raw(message.tags.encode()),
        "metadata": msgspec.Raw(message.metadata.encode()),
    }
    return NewEvent(message.app_id, event_type, told, message.id, delivery.id if delivery else None)


def _status(deliveries: Sequence[KnownDelivery]) -> str:
    return message_status({one.status.value for one in deliveries})


def _inbound(seen: Circumstances, event_type: str, data: dict[str, Any]) -> NewEvent:
    return NewEvent(seen.app_id, event_type, data, mailbox_id=seen.mailbox_id)
