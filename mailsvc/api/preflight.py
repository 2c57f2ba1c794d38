"""``POST /v1/messages/validate``: the finished message, what would become of it, and what is worth a second look."""

from collections.abc import Iterator
from typing import Literal

import msgspec
from flask import Blueprint, Response, jsonify

from mailsvc.api.auth import caller, needs
from mailsvc.api.input import read_body, refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.parts import services
from mailsvc.apps.suppressions import read_suppressions
from mailsvc.domain.draft import Draft
from mailsvc.domain.draft_json import draft_in
from mailsvc.domain.lifecycle import Status
from mailsvc.domain.relay import SANDBOX
from mailsvc.domain.strict_json import parse_json
from mailsvc.outbox.message_rows import NewMessage

__all__ = ["OPERATIONS", "Preflight", "blueprint"]

blueprint = Blueprint("preflight", __name__)

LARGE = 10 * 1024 * 1024  # octets: some receivers take no more

Code = Literal["suppressed", "sandbox", "no_subject", "no_text", "large"]


class PreflightDelivery(msgspec.Struct):
    """What would become of one recipient."""

    recipient: str
    kind: str
    status: Status


class PreflightFinding(msgspec.Struct):
    """Something that is allowed, and may not be meant."""

    code: Code
    field: str
    detail: str


class Preflight(msgspec.Struct):
    """A message that would be accepted."""

    status: Status
    relay: str
    size: int
    mime: str
    deliveries: list[PreflightDelivery]
    findings: list[PreflightFinding]


OPERATIONS = {
    "validate_message": Operation(
        summary="Check a message as if it was submitted, and see its finished form. Nothing is stored or sent.",
        request=Draft,
        answer=Preflight,
    )
}


@blueprint.post("/v1/messages/validate")
@needs("send")
def validate_message() -> Response:
    """Return what a submission would do, or the problem that it would meet."""
    refuse_unknown_arguments()
    parts, app_id = services(), caller().app_id
    draft = draft_in(parse_json(read_body()))
    built = parts.outbox.builder.build(app_id, draft)
    with parts.database.read() as connection:
        listed = read_suppressions(connection, ((app_id, row["recipient"]) for row in built.deliveries))
    built.suppress(listed, parts.database.now())
    relay = next(k.relay for k in parts.relays.of_app(app_id) if k.relay.id == built.message["relay_id"])
    shown = Preflight(
        Status(built.status),
        relay.name,
        len(built.content),
        built.content.decode("utf-8", "replace"),
        [PreflightDelivery(row["recipient"], row["kind"], Status(row["status"])) for row in built.deliveries],
        list(_findings(draft, built, relay.name)),
    )
    return jsonify(msgspec.to_builtins(shown))


def _findings(draft: Draft, built: NewMessage, relay: str) -> Iterator[PreflightFinding]:
    for row in built.deliveries:
        if row["status"] == Status.SUPPRESSED.value:
            said = f"{row['recipient']} is on the suppression list and is not sent to"
            yield PreflightFinding("suppressed", row["kind"], said)
    if relay == SANDBOX:
        yield PreflightFinding("sandbox", "relay", "the sandbox acts out fates; nobody is sent anything")
    if not draft.subject:
        yield PreflightFinding("no_subject", "subject", "is empty; many filters distrust that")
    if draft.html is not None and not draft.text:
        yield PreflightFinding("no_text", "text", "is missing beside html; some people and filters read only text")
    if len(built.content) > LARGE:
        yield PreflightFinding(
            "large", "attachments", f"the message is {len(built.content)} octets; some receivers take 10 MiB"
        )
