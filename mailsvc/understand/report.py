"""What a mail reports about messages that were sent before: failures, delays, successes and complaints."""

from enum import StrEnum

import msgspec

from mailsvc.domain.bounce import Bounce

__all__ = ["Report", "ReportKind", "ReportedRecipient"]


class ReportKind(StrEnum):
    """What is reported about one recipient (public contract: the ``kind`` of a finding)."""

    BOUNCE = "bounce"  # it failed for good, ``Action: failed``
    DELAY = "delay"  # it is still being tried, ``Action: delayed``
    RECEIPT = "receipt"  # it was delivered, relayed, expanded or read
    COMPLAINT = "complaint"  # the recipient calls it spam (RFC 5965)


class ReportedRecipient(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is reported about one recipient."""

    kind: ReportKind
    recipient: str | None  # the bare address as reported; None if it is redacted or missing
    original_recipient: str | None = None  # that the sender named (RFC 3461, ORCPT), if it is reported
    action: str | None = None  # failed | delayed | delivered | relayed | expanded | displayed | … in lower case, or the
    # type of a complaint (RFC 5965 section 3.2): abuse | fraud | opt-out | auth-failure | …
    diagnosis: Bounce | None = None  # of a bounce or a delay

    @property
    def is_of_person(self) -> bool:
        """Whether a complaint was made by the recipient; others are about a virus or a failed authentication (RFC 6591)."""
        return self.kind is ReportKind.COMPLAINT and self.action not in ("auth-failure", "virus", "dmarc")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that a mail reports, and what it says about the message that it is about."""

    recipients: tuple[ReportedRecipient, ...]
    envelope_id: str | None = None  # Original-Envelope-Id (RFC 3464 section 2.2.1)
    message_ids: tuple[str, ...] = ()  # of the returned message or its header, with angle brackets; the likeliest first
    feedback_senders: tuple[str, ...] = ()  # a complaint's Original-Mail-From and the returned Return-Path
    feedback_id: str | None = None  # the returned message's Feedback-ID
