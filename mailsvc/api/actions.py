"""Actions on waiting messages: cancel, retry, hold, release, reschedule."""

import msgspec
from flask import Blueprint, Response, jsonify

from mailsvc import clock
from mailsvc.api.auth import caller, needs
from mailsvc.api.input import read_json, read_json_if_any, refuse_fields, refuse_unknown_arguments
from mailsvc.api.message_objects import MessageObject
from mailsvc.api.messages import found_message, shown_message
from mailsvc.api.operation import Operation
from mailsvc.api.parts import services
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.lifecycle import Change
from mailsvc.outbox import read
from mailsvc.outbox.submissions.pending import require_taken_up
from mailsvc.outbox.submissions.take_up import TakeUp
from mailsvc.outcomes.actions import EVERYBODY, Choice, apply_change
from mailsvc.outcomes.reschedule import Amendment, amend
from mailsvc.runtime.wake import DELIVER, EVENTS, NOTIFY

__all__ = ["OPERATIONS", "MessageActionResult", "MessageChange", "blueprint"]

blueprint = Blueprint("actions", __name__)

LEAST_EXPIRY, MOST_EXPIRY = 60, 366 * 86400
FURTHEST = 366 * clock.DAY


class DeliveryActionResult(msgspec.Struct):
    """The effect of an action on one delivery; ``detail`` says why there was none."""

    id: str
    recipient: str
    status: str
    changed: bool
    detail: str | None


class MessageActionResult(msgspec.Struct):
    """The effect of an action on a message."""

    id: str
    status: str
    deliveries: list[DeliveryActionResult]


class RetryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """With ``force``, recipients on the suppression list are retried too; with ``recipients``, only these are."""

    force: bool = False
    recipients: tuple[str, ...] = ()


class MessageChange(msgspec.Struct, forbid_unknown_fields=True):
    """The fields that may change until the first delivery is sent."""

    scheduled_at: str | None | msgspec.UnsetType = msgspec.UNSET
    expires_in: int | msgspec.UnsetType = msgspec.UNSET
    priority: str | msgspec.UnsetType = msgspec.UNSET


@blueprint.post("/v1/messages/<message:id_>/cancel")
@needs("send")
def cancel_message(id_: str) -> Response:
    """Cancel the deliveries that are not sent yet."""
    return _change(id_, Change.CANCEL)


@blueprint.post("/v1/messages/<message:id_>/retry")
@needs("send")
def retry_message(id_: str) -> Response:
    """Retry waiting and failed deliveries now."""
    refuse_unknown_arguments()
    wanted = read_json_if_any(RetryRequest)
    return _steered(id_, Change.RETRY, Choice(force=wanted.force, recipients=wanted.recipients))


@blueprint.post("/v1/messages/<message:id_>/hold")
@needs("send")
def hold_message(id_: str) -> Response:
    """Hold a message: it is not sent until it is released."""
    return _change(id_, Change.HOLD)


@blueprint.post("/v1/messages/<message:id_>/release")
@needs("send")
def release_message(id_: str) -> Response:
    """Release a held message."""
    return _change(id_, Change.RELEASE)


@blueprint.patch("/v1/messages/<message:id_>")
@needs("send")
def update_message(id_: str) -> Response:
    """Reschedule a message, or change its expiry or priority."""
    refuse_unknown_arguments()
    wanted = _amendment(read_json(MessageChange))
    parts = services()
    _take_up_first(id_)
    with parts.database.write() as connection:
        row = found_message(connection, id_)
        amend(connection, row.id, wanted, now=parts.database.now())
        shown = shown_message(connection, found_message(connection, row.id))
    parts.bell.ring(DELIVER)
    return jsonify(shown)


def _change(id_: str, change: Change) -> Response:
    refuse_unknown_arguments()
    refuse_fields()
    return _steered(id_, change)


def _steered(id_: str, change: Change, choice: Choice = EVERYBODY) -> Response:
    parts = services()
    _take_up_first(id_)
    with parts.database.write() as connection:
        row = found_message(connection, id_)
        deliveries = apply_change(connection, row.id, change, now=parts.database.now(), choice=choice)
        status = read.message_objects(connection, [found_message(connection, row.id)])[0]["status"]
    parts.bell.ring(DELIVER, NOTIFY, EVENTS)
    return jsonify(id=row.id, status=status, deliveries=deliveries)


def _take_up_first(id_: str) -> None:
    """A row of ``mailsvc_submission`` must become a message before that can be changed."""
    parts = services()
    with parts.database.read() as connection:
        if read.find(connection, caller().app_id, id_) is not None:
            return
    if require_taken_up(TakeUp(parts.outbox.builder, parts.settings.max_queue), caller().app_id, id_):
        parts.bell.ring(DELIVER, NOTIFY, EVENTS)


def _amendment(given: MessageChange) -> Amendment:
    now = services().database.now()
    scheduled_at = None
    if isinstance(given.scheduled_at, str):
        try:
            scheduled_at = clock.parse_rfc3339(given.scheduled_at)
        except ValueError as error:
            raise Invalid(FieldError("scheduled_at", str(error))) from None
        if scheduled_at > now + FURTHEST:
            raise Invalid(FieldError("scheduled_at", "must be at most a year ahead"))
    unschedule = given.scheduled_at is None or (scheduled_at is not None and scheduled_at <= now)
    expires_in = None if given.expires_in is msgspec.UNSET else given.expires_in
    if expires_in is not None and not LEAST_EXPIRY <= expires_in <= MOST_EXPIRY:
        raise Invalid(FieldError("expires_in", f"must be from {LEAST_EXPIRY} to {MOST_EXPIRY} seconds"))
    priority = None if given.priority is msgspec.UNSET else given.priority
    if priority not in (None, "high", "normal", "low"):
        raise Invalid(FieldError("priority", "must be high, normal or low"))
    return Amendment(scheduled_at, unschedule, expires_in, priority)


OPERATIONS = {
    "cancel_message": Operation(summary="Cancel the deliveries that are not sent yet.", answer=MessageActionResult),
    "retry_message": Operation(
        summary="Send waiting and failed deliveries now. Recipients on the suppression list are skipped unless `force` is set.",
        request=RetryRequest,
        answer=MessageActionResult,
    ),
    "hold_message": Operation(
        summary="Hold the waiting deliveries until they are released.", answer=MessageActionResult
    ),
    "release_message": Operation(summary="Release the held deliveries.", answer=MessageActionResult),
    "update_message": Operation(
        summary="Reschedule a message, or change its expiry or priority. Only until the first delivery is sent.",
        request=MessageChange,
        answer=MessageObject,
    ),
}
