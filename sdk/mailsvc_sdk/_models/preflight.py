"""What a message would become."""

from typing import Literal

from mailsvc_sdk._models.record import Record, record
from mailsvc_sdk._models.words import MessageStatus, Status

__all__ = ["Preflight", "PreflightDelivery", "PreflightFinding"]


@record
class PreflightDelivery(Record):
    """What would become of one recipient."""

    shown = ("recipient", "status")

    recipient: str
    kind: Literal["to", "cc", "bcc"]
    status: Status


@record
class PreflightFinding(Record):
    """Something that is allowed, and may not be meant."""

    shown = ("code", "field")

    code: str
    field: str
    detail: str


@record
class Preflight(Record):
    """A message that would be accepted. ``mime`` is its finished form, ``size`` its octets."""

    shown = ("status", "relay")

    status: MessageStatus
    relay: str
    size: int
    mime: str
    deliveries: tuple[PreflightDelivery, ...]
    findings: tuple[PreflightFinding, ...]
