"""/v1/mailboxes: the IMAP and POP3 accounts that are watched; they can be checked, paused and resumed."""

from typing import Any

import msgspec
from flask import Blueprint, request

from mailsvc.api.auth import caller, needs
from mailsvc.api.input import read_json, read_json_if_any, refuse_fields, refuse_unknown_arguments
from mailsvc.api.mailbox_objects import (
    MailboxChanges,
    MailboxCheck,
    MailboxList,
    MailboxObject,
    MailboxProbe,
    PauseMailbox,
    ProbeMailbox,
)
from mailsvc.api.merge_patch import changes_of, merged
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.apps import mailboxes
from mailsvc.apps.account_checks import MASK
from mailsvc.apps.mailbox_form import SECRETS, NewMailbox
from mailsvc.apps.mailbox_row import mailbox_form, mailbox_of, shown_mailbox
from mailsvc.apps.mailboxes import MailboxRules
from mailsvc.apps.relay_choice import relay_for
from mailsvc.apps.sandbox_address import mailbox_here
from mailsvc.domain.errors import Conflict, FieldError, Invalid
from mailsvc.domain.returnpath import return_path_flaw
from mailsvc.domain.strict_json import convert
from mailsvc.runtime.wake import MAILBOXES
from mailsvc.store.vault import VaultError

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("mailboxes", __name__)


@blueprint.post("/v1/mailboxes")
@needs("admin")
def create_mailbox() -> tuple[dict[str, Any], int]:
    """Create a mailbox, which is read from now on."""
    refuse_unknown_arguments()
    wanted, parts = read_json(NewMailbox), services()
    row = mailboxes.create_mailbox(parts.database, caller().app_id, wanted, vault=parts.vault, rules=_rules())
    _tell_workers()
    return shown_mailbox(row), 201


@blueprint.get("/v1/mailboxes")
@needs("read")
def list_mailboxes() -> dict[str, Any]:
    """The app's mailboxes."""
    refuse_unknown_arguments("limit", "cursor", "name")
    page, names = requested_page("mbx"), request.args.getlist("name")
    parts = services()
    rows = mailboxes.list_mailboxes(parts.database, caller().app_id, names=names, before=page.before, limit=page.fetch)
    return listing(rows, page, shown_mailbox)


@blueprint.get("/v1/mailboxes/<id_>")
@needs("read")
def get_mailbox(id_: str) -> dict[str, Any]:
    """One mailbox."""
    refuse_unknown_arguments()
    return shown_mailbox(mailboxes.get_mailbox(services().database, caller().app_id, id_))


@blueprint.patch("/v1/mailboxes/<id_>")
@needs("admin")
def update_mailbox(id_: str) -> dict[str, Any]:
    """Change a mailbox: a JSON merge patch; null resets a member to its default."""
    refuse_unknown_arguments()
    given, parts = read_json(dict[str, Any]), services()

    def edit(row: Any) -> NewMailbox | None:
        changes = changes_of(given, shown_mailbox(row), form=NewMailbox, mask=MASK, secrets=SECRETS)
        if not changes:
            return None
        return convert(merged(msgspec.to_builtins(mailbox_form(row, parts.vault)), changes), NewMailbox)

    row = mailboxes.update_mailbox(parts.database, caller().app_id, id_, edit, vault=parts.vault, rules=_rules())
    _tell_workers()
    return shown_mailbox(row)


@blueprint.delete("/v1/mailboxes/<id_>")
@needs("admin")
def delete_mailbox(id_: str) -> tuple[str, int]:
    """Stop reading a mailbox for good; nothing on the server is touched, and its arrivals and events stay."""
    refuse_unknown_arguments()
    mailboxes.delete_mailbox(services().database, caller().app_id, id_)
    _tell_workers()
    return "", 204


@blueprint.post("/v1/mailboxes/<id_>/check")
@needs("admin")
def check_mailbox(id_: str) -> dict[str, Any]:
    """Connect, log in and open the folder now, and report each step."""
    refuse_unknown_arguments()
    refuse_fields()
    parts = services()
    row = mailboxes.get_mailbox(parts.database, caller().app_id, id_)
    try:
        found = mailbox_of(row, parts.vault, targets=parts.relays.targets_of(row.app_id))
        found = mailbox_here(row, found, parts.settings.data_dir)
    except VaultError as error:
        return _without_secrets(error)
    report = parts.check_mailbox(found)
    if report["ok"] and row.retry_at is not None:
        mailboxes.retry_mailbox(parts.database, id_)
        _tell_workers()
    return report


@blueprint.post("/v1/mailboxes/<id_>/probe")
@needs("admin")
def probe_mailbox(id_: str) -> dict[str, Any]:
    """Send mails to the mailbox's own address through a relay, and find out what the account supports."""
    refuse_unknown_arguments()
    wanted, parts = read_json_if_any(ProbeMailbox), services()
    row = mailboxes.get_mailbox(parts.database, caller().app_id, id_)
    if row.paused or not row.enabled:
        raise Conflict("the mailbox is not read: enable or resume it first")
    try:
        found = mailbox_of(row, parts.vault, targets=parts.relays.targets_of(row.app_id))
        found = mailbox_here(row, found, parts.settings.data_dir)
    except VaultError as error:
        raise Conflict(str(error)) from error
    relay = relay_for(parts.relays.of_app(row.app_id), wanted.relay or shown_mailbox(row)["relay"])
    return parts.probe_account(found, relay, _own_address(wanted.address, found.username))


@blueprint.post("/v1/mailboxes/<id_>/pause")
@needs("admin")
def pause_mailbox(id_: str) -> dict[str, Any]:
    """Stop reading the mailbox until it is resumed, even after a restart."""
    refuse_unknown_arguments()
    row = mailboxes.pause_mailbox(services().database, caller().app_id, id_, reason=_reason())
    _tell_workers()
    return shown_mailbox(row)


@blueprint.post("/v1/mailboxes/<id_>/resume")
@needs("admin")
def resume_mailbox(id_: str) -> dict[str, Any]:
    """Read the mailbox again now, whether it was paused or waits after an error."""
    refuse_unknown_arguments()
    refuse_fields()
    row = mailboxes.resume_mailbox(services().database, caller().app_id, id_)
    _tell_workers()
    return shown_mailbox(row)


def _own_address(given: str | None, username: str) -> str:
    """The address of the mailbox, by default its user name; raises Invalid where that is none."""
    address = given or username
    if (flaw := return_path_flaw(address)) is not None:
        told = f"{address[:100]!r} {flaw}" if given else f"is required: the user name {username[:100]!r} is no address"
        raise Invalid(FieldError("address", told))
    if not address.isascii():
        raise Invalid(FieldError("address", "must be ASCII: accounts with other addresses can't be probed"))
    return address


def _without_secrets(error: VaultError) -> dict[str, Any]:
    """The report of a check that can't log in, so that it does not even connect."""
    step = {"name": "login", "ok": False, "detail": str(error), "duration_ms": 0.0}
    return {"ok": False, "steps": [step], "tls": None, "capabilities": [], "messages": None, "duration_ms": 0.0}


def _rules() -> MailboxRules:
    parts = services()
    return MailboxRules(parts.settings.allow_plaintext, parts.relays.targets_of(caller().app_id))


def _reason() -> str | None:
    reason = read_json_if_any(PauseMailbox).reason
    if reason is not None and not (len(reason) <= 500 and reason.isprintable()):
        raise Invalid(FieldError("reason", "must be one line of at most 500 characters"))
    return reason


def _tell_workers() -> None:
    services().bell.ring(MAILBOXES)


OPERATIONS = {
    "create_mailbox": Operation(
        summary="Create a mailbox, which is read from now on.", request=NewMailbox, answer=MailboxObject, status=201
    ),
    "list_mailboxes": Operation(
        summary="List the app's mailboxes, newest first.",
        answer=MailboxList,
        query={**PAGING, "name": "Only the mailbox of this name; may be repeated."},
    ),
    "get_mailbox": Operation(summary="Get one mailbox.", answer=MailboxObject),
    "update_mailbox": Operation(
        summary="Change a mailbox (JSON merge patch, RFC 7396). Its session ends, and a new one begins.",
        request=MailboxChanges,
        answer=MailboxObject,
    ),
    "delete_mailbox": Operation(
        summary="Stop reading a mailbox for good. Nothing on the server is touched; arrivals and events stay.",
        status=204,
    ),
    "check_mailbox": Operation(
        summary="Connect, log in and open the folder now, and report each step; nothing on the server is changed.",
        answer=MailboxCheck,
    ),
    "probe_mailbox": Operation(
        summary="Send three mails to the mailbox's own address, and find out within a minute what the account supports.",
        request=ProbeMailbox,
        answer=MailboxProbe,
    ),
    "pause_mailbox": Operation(
        summary="Stop reading the mailbox until it is resumed; what arrives meanwhile is read afterwards.",
        request=PauseMailbox,
        answer=MailboxObject,
    ),
    "resume_mailbox": Operation(summary="Read the mailbox again now.", answer=MailboxObject),
}
