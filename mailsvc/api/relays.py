"""/v1/relays: the submission accounts of an app; they can be checked, paused and resumed."""

from dataclasses import replace
from typing import Any

import msgspec
from flask import Blueprint, request

from mailsvc.api import relay_check
from mailsvc.api.auth import caller, needs
from mailsvc.api.input import read_json, read_json_if_any, refuse_fields, refuse_unknown_arguments
from mailsvc.api.merge_patch import changes_of, merged
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.api.relay_objects import PauseRelay, RelayChanges, RelayCheck, RelayList, RelayObject
from mailsvc.apps import relays
from mailsvc.apps.account_checks import MASK
from mailsvc.apps.relay_form import SECRETS, NewRelay, RelayRules
from mailsvc.apps.relay_row import relay_form, relay_of, shown_relay
from mailsvc.apps.sandbox_address import relay_here
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.strict_json import convert
from mailsvc.runtime.wake import DELIVER, EVENTS, NOTIFY, RELAYS

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("relays", __name__)


@blueprint.post("/v1/relays")
@needs("admin")
def create_relay() -> tuple[dict[str, Any], int]:
    """Create a relay. With ``default``, which is true unless set to false, it becomes the app's default."""
    refuse_unknown_arguments()
    wanted, parts = read_json(NewRelay), services()
    row = relays.create_relay(parts.database, caller().app_id, wanted, vault=parts.vault, rules=_rules())
    _tell_workers()
    return shown_relay(row), 201


@blueprint.get("/v1/relays")
@needs("read")
def list_relays() -> dict[str, Any]:
    """The app's relays."""
    refuse_unknown_arguments("limit", "cursor", "name")
    page, names = requested_page("rly"), request.args.getlist("name")
    rows = relays.list_relays(services().database, caller().app_id, names=names, before=page.before, limit=page.fetch)
    return listing(rows, page, shown_relay)


@blueprint.get("/v1/relays/<id_>")
@needs("read")
def get_relay(id_: str) -> dict[str, Any]:
    """One relay."""
    refuse_unknown_arguments()
    return shown_relay(relays.get_relay(services().database, caller().app_id, id_))


@blueprint.patch("/v1/relays/<id_>")
@needs("admin")
def update_relay(id_: str) -> dict[str, Any]:
    """Change a relay: a JSON merge patch; null resets a member to its default."""
    refuse_unknown_arguments()
    given, parts = read_json(dict[str, Any]), services()

    def edit(row: Any) -> NewRelay | None:
        changes = changes_of(given, shown_relay(row), form=NewRelay, mask=MASK, secrets=SECRETS)
        if not changes:
            return None
        return convert(merged(msgspec.to_builtins(relay_form(row, parts.vault)), changes), NewRelay)

    row = relays.update_relay(parts.database, caller().app_id, id_, edit, vault=parts.vault, rules=_rules())
    _tell_workers()
    return shown_relay(row)


@blueprint.delete("/v1/relays/<id_>")
@needs("admin")
def delete_relay(id_: str) -> tuple[str, int]:
    """Delete a relay that has no waiting deliveries."""
    refuse_unknown_arguments()
    relays.delete_relay(services().database, caller().app_id, id_)
    _tell_workers()
    return "", 204


@blueprint.post("/v1/relays/<id_>/check")
@needs("admin")
def check_relay(id_: str) -> dict[str, Any]:
    """Connect and log in now, and report each step, the TLS session and the server's capabilities."""
    refuse_unknown_arguments()
    refuse_fields()
    parts = services()
    row = relays.get_relay(parts.database, caller().app_id, id_)
    targets = parts.relays.targets_of(row.app_id)
    relay = relay_here(row, replace(relay_of(row, parts.vault), targets=targets), parts.settings.data_dir)
    return relay_check.check_relay(parts, relay)


@blueprint.post("/v1/relays/<id_>/pause")
@needs("admin")
def pause_relay(id_: str) -> dict[str, Any]:
    """Stop using the relay until it is resumed, even after a restart; its messages wait."""
    refuse_unknown_arguments()
    row = relays.pause_relay(services().database, caller().app_id, id_, reason=_reason())
    _tell_workers()
    return shown_relay(row)


@blueprint.post("/v1/relays/<id_>/resume")
@needs("admin")
def resume_relay(id_: str) -> dict[str, Any]:
    """Use the relay again now, whether it was paused by hand or is backing off."""
    refuse_unknown_arguments()
    refuse_fields()
    row = relays.resume_relay(services().database, caller().app_id, id_)
    _tell_workers()
    return shown_relay(row)


def _rules() -> RelayRules:
    parts = services()
    return RelayRules(parts.settings.allow_plaintext, parts.relays.targets_of(caller().app_id))


def _reason() -> str | None:
    reason = read_json_if_any(PauseRelay).reason
    if reason is not None and not (len(reason) <= 500 and reason.isprintable()):
        raise Invalid(FieldError("reason", "must be one line of at most 500 characters"))
    return reason


def _tell_workers() -> None:
    services().relays.forget()
    services().bell.ring(RELAYS, DELIVER, NOTIFY, EVENTS)


OPERATIONS = {
    "create_relay": Operation(summary="Create a relay.", request=NewRelay, answer=RelayObject, status=201),
    "list_relays": Operation(
        summary="List the app's relays, newest first.",
        answer=RelayList,
        query={**PAGING, "name": "Only the relay of this name; may be repeated."},
    ),
    "get_relay": Operation(summary="Get one relay.", answer=RelayObject),
    "update_relay": Operation(
        summary="Change a relay (JSON merge patch, RFC 7396).", request=RelayChanges, answer=RelayObject
    ),
    "delete_relay": Operation(
        summary="Delete a relay that no delivery waits for. Messages accepted meanwhile or retried later use the default relay.",
        status=204,
    ),
    "check_relay": Operation(summary="Connect and log in now, and report each step.", answer=RelayCheck),
    "pause_relay": Operation(
        summary="Stop using the relay until it is resumed; its messages wait.", request=PauseRelay, answer=RelayObject
    ),
    "resume_relay": Operation(summary="Use the relay again now.", answer=RelayObject),
}
