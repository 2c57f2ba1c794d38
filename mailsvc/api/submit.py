"""POST /v1/messages: single, batch and raw. Each is checked, built, and answered only when it is durable."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from flask import Blueprint, Response, request
from sqlalchemy import LargeBinary, func, select

from mailsvc.api.auth import Caller, caller, needs
from mailsvc.api.deferred import Promised
from mailsvc.api.input import (
    convert,
    media_type,
    parse_json,
    read_body,
    refuse_unknown_arguments,
)
from mailsvc.api.operation import Operation
from mailsvc.api.parts import Services, services
from mailsvc.api.problems import field_below, problem_document
from mailsvc.api.raw_arguments import RAW_ARGUMENTS, handling_in
from mailsvc.domain.draft import Draft, check, check_handling, require_size
from mailsvc.domain.errors import FieldError, Invalid, Problem, UnsupportedMedia
from mailsvc.domain.files import standard_base64
from mailsvc.domain.ids import new_id
from mailsvc.domain.lifecycle import Status
from mailsvc.domain.relay import Relay
from mailsvc.domain.returnpath import return_path_flaw
from mailsvc.mime.raw import prepare_raw
from mailsvc.mime.threads import references_of_answer
from mailsvc.outbox.build import NewMessage, Terms, build_draft, build_raw
from mailsvc.outbox.intake import Answer, IdempotencyKey, Ticket
from mailsvc.store.tables import body, message

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
MOST_HEADER = 65_536  # bytes that are looked at of the message that is answered
ERRORS_AN_ENTRY = 10  # named of each message of a batch that can't be taken


class BatchOfMessages(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v1/messages/batch; every entry is a message as POST /v1/messages takes it."""

    messages: list[Any]


class AcceptedDelivery(msgspec.Struct):
    """One recipient of a message that was taken."""

    id: str
    recipient: str
    status: Status


class Accepted(msgspec.Struct):
    """A message that is on stable storage."""

    id: str
    message_id: str
    status: Status
    created_at: str
    deliveries: list[AcceptedDelivery]


class AcceptedBatch(msgspec.Struct):
    """What became of each entry of a batch: a message where it was taken, a problem where not."""

    data: list[Any]


OPERATIONS = {
    "submit_message": Operation(
        summary="Take one message: JSON, or a finished one as message/rfc822.",
        request=Draft,
        answer=Accepted,
        status=202,
        query=RAW_ARGUMENTS,
        also_takes={
            "message/rfc822": {"schema": {"type": "string", "description": "A finished message (RFC 5322)."}},
        },
        is_idempotent=True,
    ),
    "submit_batch": Operation(
        summary="Take up to 1000 messages in one commit.",
        request=BatchOfMessages,
        answer=AcceptedBatch,
        status=202,
        query={"atomic": "Take all of them or none."},
        is_idempotent=True,
    ),
}


@blueprint.post("/v1/messages")
@needs("send")
def submit_message() -> Promised:
    """Take one message: JSON, or a finished one as message/rfc822."""
    parts, sender = services(), caller()
    kind = media_type()
    if kind not in ("application/json", "message/rfc822"):
        raise UnsupportedMedia("send JSON as application/json, or a finished message as message/rfc822")
    parts.admission.check(sender.key_id)
    data = read_body()
    take = _from_json if kind == "application/json" else _from_raw
    new_message = take(parts, sender.app_id, data)
    idempotency_key = _idempotency_key(data)
    del data
    return _accept(parts, sender, Ticket(sender.app_id, [new_message], _render_one, idempotency_key))


@blueprint.post("/v1/messages/batch")
@needs("send")
def submit_batch() -> Promised:
    """Take up to 1000 messages in one commit."""
    refuse_unknown_arguments("atomic")
    atomic = _flag("atomic")
    parts, sender = services(), caller()
    if media_type() != "application/json":
        raise UnsupportedMedia("send the batch as application/json")
    data = read_body()
    batch = convert(parse_json(data), BatchOfMessages)
    if not 1 <= len(batch.messages) <= BATCH_SIZE:
        raise Invalid(
            FieldError(
                "messages",
                f"must hold 1 to {BATCH_SIZE} messages, not {len(batch.messages)}",
            )
        )
    parts.admission.check(sender.key_id)
    entries = [_try_entry(parts, sender.app_id, n, raw) for n, raw in enumerate(batch.messages)]
    failed = [entry for entry in entries if isinstance(entry, _Refused)]
    if len(failed) == len(entries) or (atomic and failed):
        raise Invalid(*(e for entry in failed for e in entry.errors))
    taken = [entry for entry in entries if isinstance(entry, NewMessage)]
    idempotency_key = _idempotency_key(data)
    del data, batch
    return _accept(parts, sender, Ticket(sender.app_id, taken, lambda _: _render_batch(entries), idempotency_key))


class _Refused:
    """An entry of a batch that can't be taken."""

    def __init__(self, number: int, problem: Problem) -> None:
        prefix = f"messages.{number}."
        self.document = problem_document(problem, prefix=prefix, most=ERRORS_AN_ENTRY)
        named = [FieldError(field_below(prefix, e.field), e.detail) for e in problem.errors[:ERRORS_AN_ENTRY]]
        self.errors = named or [FieldError(prefix.strip("."), problem.detail)]


def _try_entry(parts: Services, app_id: str, number: int, raw: Any) -> "NewMessage | _Refused":
    try:
        return _consign(parts, app_id, _draft(raw))
    except Problem as problem:
        return _Refused(number, problem)


def _from_json(parts: Services, app_id: str, data: bytes) -> NewMessage:
    refuse_unknown_arguments()
    return _consign(parts, app_id, _draft(parse_json(data)))


def _draft(value: Any) -> Draft:
    """The message of this JSON, whose attachments may be in any spelling of base64."""
    attachments = value.get("attachments") if isinstance(value, dict) else None
    for attachment in attachments if isinstance(attachments, list) else ():
        if isinstance(attachment, dict) and isinstance(content := attachment.get("content"), str):
            attachment["content"] = standard_base64(content)
    return convert(value, Draft)


def _consign(parts: Services, app_id: str, draft: Draft) -> NewMessage:
    now = parts.database.now()
    prepared = check(draft, limits=parts.admission.limits, now=now)
    references: tuple[str, ...] = ()
    if prepared.in_reply_to and prepared.in_reply_to.startswith("msg_"):
        references = _conversation(parts, app_id, prepared.in_reply_to)
    relay = _relay(parts, app_id, prepared.relay)
    if prepared.return_path is not None and (flaw := return_path_flaw(prepared.return_path, verp=relay.verp)):
        raise Invalid(FieldError("return_path", flaw))
    new_message = build_draft(prepared, Terms(app_id, relay, now, references))
    require_size(len(new_message.content), parts.admission.limits)
    return new_message


def _from_raw(parts: Services, app_id: str, data: bytes) -> NewMessage:
    refuse_unknown_arguments(*RAW_ARGUMENTS)
    now = parts.database.now()
    handling = check_handling(handling_in(request.args), now=now)
    id_ = new_id("msg")
    raw = prepare_raw(
        data,
        sender=request.args.get("from"),
        recipients=request.args.getlist("to"),
        limits=parts.admission.limits,
        now=now,
        token=id_[4:],
    )
    return build_raw(raw, handling, Terms(app_id, _relay(parts, app_id, handling.relay), now), id_=id_)


def _relay(parts: Services, app_id: str, wanted: str | None) -> Relay:
    known = parts.relays.choose(app_id, wanted)
    if known is not None and known.enabled:
        return known.relay
    if known is not None:
        which = f"{known.relay.name!r}" if wanted is not None else f"the default one, {known.relay.name!r},"
        detail = f"{which} is disabled: enable it (PATCH /v1/relays/{known.relay.id}) or name another"
        if known.flaw is not None:
            detail = f"{which} can't be used, {known.flaw}: restore that key, or set the relay's password anew"
        raise Invalid(FieldError("relay", detail))
    if wanted is not None:
        raise Invalid(
            FieldError(
                "relay",
                f"there is no relay {wanted[:100]!r}; GET /v1/relays lists them",
            )
        )
    raise Invalid(
        FieldError(
            "relay",
            "no relay is there or enabled: add one with POST /v1/relays or MAILSVC_RELAY_URL, or enable one",
        )
    )


def _conversation(parts: Services, app_id: str, id_: str) -> tuple[str, ...]:
    beginning = func.substr(body.c.content, 1, MOST_HEADER, type_=LargeBinary)
    with parts.database.read() as connection:
        found = connection.execute(
            select(message.c.message_id, beginning.label("content"))
            .outerjoin(body, body.c.message_id == message.c.id)
            .where(message.c.id == id_, message.c.app_id == app_id)
        ).first()
    if found is None:
        raise Invalid(
            FieldError(
                "in_reply_to",
                "there is no such message; give a message's id or its Message-ID in angle brackets",
            )
        )
    return references_of_answer(found.content or b"", found.message_id)


def _idempotency_key(data: bytes) -> IdempotencyKey | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (1 <= len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise Invalid(FieldError("Idempotency-Key", f"must have 1 to {KEY_LENGTH} printable ASCII characters"))
    route = f"{request.method} {request.full_path}\n".encode()
    return IdempotencyKey(
        key,
        hashlib.sha256(route + data if len(data) < 65536 else route + hashlib.sha256(data).digest()).hexdigest(),
    )


def _accept(parts: Services, sender: Caller, ticket: Ticket) -> Promised:
    parts.admission.spend(sender.key_id, len(ticket.new_messages))
    parts.intake.hand_in(ticket)
    return Promised(ticket.done, _respond)


def _respond(answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status, content_type="application/json")
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


_encode = msgspec.json.Encoder().encode


def _render_one(new_messages: Sequence[NewMessage]) -> Answer:
    return Answer(202, _encode(new_messages[0].answer()))


def _render_batch(entries: "Sequence[NewMessage | _Refused]") -> Answer:
    return Answer(
        202,
        _encode({"data": [e.answer() if isinstance(e, NewMessage) else e.document for e in entries]}),
    )


def _flag(name: str) -> bool:
    text = request.args.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise Invalid(FieldError(name, "must be true or false"))
    return text in ("true", "1")
