"""POST /v1/messages: single, batch and raw. Messages are checked and built; the response waits for the commit."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from mailsvc.api.auth import Caller, caller, needs
from mailsvc.api.deferred import DeferredResponse
from mailsvc.api.input import media_type, read_body, refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.parts import services
from mailsvc.api.problems import field_below, problem_document
from mailsvc.api.raw_arguments import RAW_ARGUMENTS, handling_in
from mailsvc.domain.draft import Draft
from mailsvc.domain.draft_json import draft_in
from mailsvc.domain.errors import FieldError, Invalid, Problem, UnsupportedMedia
from mailsvc.domain.lifecycle import Status
from mailsvc.domain.strict_json import convert, parse_json
from mailsvc.outbox.message_rows import NewMessage
from mailsvc.outbox.request import Answer, IdempotencyKey, IntakeRequest
from mailsvc.outbox.submit import AcceptPipeline

__all__ = [
    "KEY_LENGTH",
    "OPERATIONS",
    "Accepted",
    "AcceptedBatch",
    "BatchOfMessages",
    "blueprint",
]

blueprint = Blueprint("submit", __name__)

BATCH_SIZE = 1000
KEY_LENGTH = 255
LONG_BODY = 65_536  # bytes; for a longer one the fingerprint uses the digest
ERRORS_PER_ENTRY = 10  # reported per rejected message of a batch


class BatchOfMessages(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v1/messages/batch. Each entry has the form of POST /v1/messages."""

    messages: list[Any]


class AcceptedDelivery(msgspec.Struct):
    """One recipient of an accepted message."""

    id: str
    recipient: str
    status: Status


class Accepted(msgspec.Struct):
    """An accepted message; it is on stable storage."""

    id: str
    message_id: str
    status: Status
    created_at: str
    deliveries: list[AcceptedDelivery]


class AcceptedBatch(msgspec.Struct):
    """The result for each entry of a batch: an accepted message or a problem."""

    data: list[Any]


OPERATIONS = {
    "submit_message": Operation(
        summary="Submit one message, as JSON or as a finished message (`message/rfc822`). 202 means that it is on stable storage.",
        request=Draft,
        answer=Accepted,
        status=202,
        query=RAW_ARGUMENTS,
        also_takes={
            "message/rfc822": {
                "schema": {
                    "type": "string",
                    "description": "A finished message (RFC 5322). The query parameters give its envelope and its handling.",
                }
            },
        },
        is_idempotent=True,
    ),
    "submit_batch": Operation(
        summary="Submit up to 1000 messages in one request. Each entry is accepted or rejected by itself; all are stored in one commit.",
        request=BatchOfMessages,
        answer=AcceptedBatch,
        status=202,
        query={"atomic": "Accept all messages or none."},
        is_idempotent=True,
    ),
}


@blueprint.post("/v1/messages")
@needs("send")
def submit_message() -> DeferredResponse:
    """Accept one message: JSON, or a complete one as message/rfc822."""
    kind = media_type()
    if kind not in ("application/json", "message/rfc822"):
        raise UnsupportedMedia("send JSON (application/json) or a finished message (message/rfc822)")
    outbox, sender = services().outbox, caller()
    outbox.admission.check(sender.key_id)
    data = read_body()
    take = _from_json if kind == "application/json" else _from_raw
    return _submit(outbox, sender, [take(outbox, sender.app_id, data)], _render_one, data)


@blueprint.post("/v1/messages/batch")
@needs("send")
def submit_batch() -> DeferredResponse:
    """Accept up to 1000 messages in one commit."""
    refuse_unknown_arguments("atomic")
    atomic = _flag("atomic")
    if media_type() != "application/json":
        raise UnsupportedMedia("send the batch as application/json")
    data = read_body()
    batch = convert(parse_json(data), BatchOfMessages)
    if not 1 <= len(batch.messages) <= BATCH_SIZE:
        detail = f"must have 1 to {BATCH_SIZE} entries, not {len(batch.messages)}"
        raise Invalid(FieldError("messages", detail))
    outbox, sender = services().outbox, caller()
    outbox.admission.check(sender.key_id)
    entries = [_entry(outbox, sender.app_id, n, value) for n, value in enumerate(batch.messages)]
    refused = [entry for entry in entries if isinstance(entry, _Refused)]
    if len(refused) == len(entries) or (atomic and refused):
        raise Invalid(*(error for entry in refused for error in entry.errors))
    taken = [entry for entry in entries if isinstance(entry, NewMessage)]
    return _submit(outbox, sender, taken, lambda _: _render_batch(entries), data)


class _Refused:
    """A rejected entry of a batch."""

    def __init__(self, number: int, problem: Problem) -> None:
        prefix = f"messages.{number}."
        self.document = problem_document(problem, prefix=prefix, most=ERRORS_PER_ENTRY)
        named = [FieldError(field_below(prefix, e.field), e.detail) for e in problem.errors[:ERRORS_PER_ENTRY]]
        self.errors = named or [FieldError(prefix.strip("."), problem.detail)]


def _entry(outbox: AcceptPipeline, app_id: str, number: int, value: Any) -> "NewMessage | _Refused":
    try:
        return outbox.builder.build(app_id, draft_in(value))
    except Problem as problem:
        return _Refused(number, problem)


def _from_json(outbox: AcceptPipeline, app_id: str, data: bytes) -> NewMessage:
    refuse_unknown_arguments()
    return outbox.builder.build(app_id, draft_in(parse_json(data)))


def _from_raw(outbox: AcceptPipeline, app_id: str, data: bytes) -> NewMessage:
    refuse_unknown_arguments(*RAW_ARGUMENTS)
    return outbox.builder.build_raw(
        app_id,
        data,
        sender=request.args.get("from"),
        recipients=request.args.getlist("to"),
        handling=handling_in(request.args),
    )


def _idempotency_key(data: bytes) -> IdempotencyKey | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (1 <= len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise Invalid(FieldError("Idempotency-Key", f"must have 1 to {KEY_LENGTH} printable ASCII characters"))
    route = f"{request.method} {request.full_path}\n".encode()
    content = data if len(data) < LONG_BODY else hashlib.sha256(data).digest()
    return IdempotencyKey(key, hashlib.sha256(route + content).hexdigest())


def _submit(
    outbox: AcceptPipeline,
    sender: Caller,
    new_messages: list[NewMessage],
    render: Callable[[Sequence[NewMessage]], Answer],
    data: bytes,
) -> DeferredResponse:
    wanted = IntakeRequest(sender.app_id, new_messages, render, _idempotency_key(data))
    return DeferredResponse(outbox.submit(wanted, key_id=sender.key_id), _respond)


def _respond(answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status, content_type="application/json")
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


_encode = msgspec.json.Encoder().encode


def _render_one(new_messages: Sequence[NewMessage]) -> Answer:
    return Answer(202, _encode(new_messages[0].answer()))


def _render_batch(entries: "Sequence[NewMessage | _Refused]") -> Answer:
    shown = [entry.answer() if isinstance(entry, NewMessage) else entry.document for entry in entries]
    return Answer(202, _encode({"data": shown}))


def _flag(name: str) -> bool:
    text = request.args.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise Invalid(FieldError(name, "must be true or false"))
    return text in ("true", "1")
