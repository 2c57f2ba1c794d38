"""The vocabulary of events: every word that an application can hear, with its promise and its limit."""

from mailsvc.domain.lifecycle import Status

VOCABULARY: dict[str, str] = {
    "message.queued": "Durably taken; it will be sent later or you will be told why not. Once a message.",
    "message.sent": "The relay took it. It is not yet delivered to the recipient's mailbox.",
    "message.deferred": "An attempt failed and will be repeated. Told at the first deferral and when the reason changes.",
    "message.delivered": "A positive delivery status notification came back.",
    "message.bounced": "It will not arrive: refused by the relay, or reported later by mail.",
    "message.complained": "The recipient called it spam.",
    "message.suppressed": "Not sent, because the address is on the suppression list.",
    "message.expired": "Not sent in the time that the message allowed; `smtp` is the last refusal, if there was one.",
    "message.canceled": "Recalled by the application before it was sent.",
    "message.uncertain": "The connection was lost after the last byte; the message asked not to be sent twice.",
    "message.held": "Waits until somebody releases it.",
    "message.replied": "A person answered.",
    "message.auto_replied": "A machine answered (vacation notice, ticket number).",
    "inbound.received": "A mail about no message of ours.",
    "inbound.unmatched_bounce": "A bounce of no message of ours; nobody is suppressed by it.",
    "suppression.added": "An address must not be mailed any more.",
    "suppression.removed": "An address may be mailed again.",
    "relay.paused": "The relay is not used for now; its messages wait.",
    "relay.resumed": "The relay is used again.",
    "mailbox.failing": "A watched mailbox can't be read.",
    "mailbox.recovered": "A watched mailbox can be read again.",
    "webhook.disabled": "A webhook gets no more events until it is enabled again.",
    "webhook.test": "A trial, sent on request to one webhook.",
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
    """Whether a webhook may subscribe to this: ``*``, ``message.*`` and the like, or an exact type."""
    if text == "*" or text in VOCABULARY:
        return True
    family, dot, star = text.rpartition(".")
    return bool(dot) and star == "*" and any(word.startswith(family + ".") for word in VOCABULARY)


def matches(patterns: tuple[str, ...], event_type: str) -> bool:
    """Whether one of the patterns covers the event type."""
    family = event_type.partition(".")[0] + ".*"
    return any(p in ("*", event_type, family) for p in patterns)
