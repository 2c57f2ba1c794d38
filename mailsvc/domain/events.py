"""The event types, each with its promise and its limit."""

from mailsvc.domain.lifecycle import Status

VOCABULARY: dict[str, str] = {
    "message.queued": "Stored durably; it will be sent, or you will be told why not. Emitted once per message, without a recipient.",
    "message.sent": "The relay accepted the message. It is not yet delivered to the recipient's mailbox.",
    "message.deferred": "An attempt failed and will be repeated. Emitted at the first deferral and whenever the reason changes.",
    "message.delayed": "A later server reported by mail that it still tries. The status does not change.",
    "message.delivered": "A delivery status notification confirmed the delivery.",
    "message.bounced": "The message will not arrive: the relay rejected it, or a later server reported a failure by mail.",
    "message.complained": "The recipient reported the message as spam.",
    "message.suppressed": "Not sent, because the address is on the suppression list.",
    "message.expired": "Not sent within `expires_in`. `smtp` is the last rejection, if there was one.",
    "message.canceled": "Canceled by the application before it was sent.",
    "message.uncertain": "The connection was lost before the relay confirmed the message, and the message has `on_uncertain: hold`.",
    "message.held": "Waits until it is released.",
    "message.replied": "A person replied.",
    "message.auto_replied": "A machine replied (vacation notice, ticket number).",
    "inbound.received": "A mail arrived that has no other event; `kind` says what it is.",
    "inbound.unmatched_bounce": "A bounce that belongs to no known message; no address is suppressed.",
    "suppression.added": "An address was added to the suppression list.",
    "suppression.removed": "An address was removed from the suppression list.",
    "submission.rejected": "A row of `mailsvc_submission` can't be taken up; it stays, with its `errors`, until it is mended or dropped.",
    "relay.paused": "The relay is not used for now; its messages wait.",
    "relay.resumed": "The relay is used again.",
    "mailbox.failing": "A watched mailbox can't be read, or not as configured; `reason` and `detail` say why. Emitted once until it recovers.",
    "mailbox.recovered": "A watched mailbox can be read again.",
    "webhook.disabled": "The webhook receives no more events until it is enabled again.",
    "webhook.test": "A test event, sent on request to one webhook.",
}

EVENT_OF_STATUS: dict[Status, str] = {
    Status.SENT: "message.sent",
    Status.DEFERRED: "message.deferred",
    Status.DELIVERED: "message.delivered",
    Status.BOUNCED: "message.bounced",
    Status.COMPLAINED: "message.complained",
    Status.SUPPRESSED: "message.suppressed",
    Status.EXPIRED: "message.expired",
    Status.CANCELED: "message.canceled",
    Status.UNCERTAIN: "message.uncertain",
    Status.HELD: "message.held",
}


def is_pattern(text: str) -> bool:
    """Whether a webhook may subscribe to this pattern: ``*``, ``message.*`` and similar, or an exact type."""
    if text == "*" or text in VOCABULARY:
        return True
    family, dot, star = text.rpartition(".")
    return bool(dot) and star == "*" and any(word.startswith(family + ".") for word in VOCABULARY)


def matches(patterns: tuple[str, ...], event_type: str) -> bool:
    """Whether one of the patterns covers the event type."""
    family = event_type.partition(".")[0] + ".*"
    return any(p in ("*", event_type, family) for p in patterns)
