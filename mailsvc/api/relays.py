"""/v1/relays: the submission accounts of an app, and what people do to them: check, pause, resume."""

from dataclasses import replace
from typing import Any, Literal

import msgspec
from flask import Blueprint, request
from sqlalchemy import Connection, delete, func, insert, select, update

from mailsvc import clock
from mailsvc.api.auth import caller, needs
from mailsvc.api.input import convert, read_json, read_json_if_any, refuse_fields, refuse_unknown_arguments
from mailsvc.api.merge_patch import changes_of, merged
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.apps.relay_form import (
    MASK,
    NewRelay,
    RelayTimeouts,
    relay_form,
    relay_values,
    shown_relay,
    validate_relay,
)
from mailsvc.apps.relays import relay_of
from mailsvc.domain.errors import Conflict, FieldError, Invalid, NotFound
from mailsvc.domain.ids import new_id
from mailsvc.domain.lifecycle import Status
from mailsvc.domain.targets import Forbidden as TargetForbidden
from mailsvc.domain.targets import literal_address, vet
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.runtime.wake import DELIVER, EVENTS, NOTIFY, RELAYS
from mailsvc.store.tables import app, delivery, relay

__all__ = ["OPERATIONS", "RelayCheck", "RelayObject", "blueprint"]

blueprint = Blueprint("relays", __name__)

_SECRETS = ("password", "oauth")
# What worked against the old settings may fail with the new ones and the reverse: start from nothing.
_CLEAN = {"failures": 0, "retry_at": None, "last_smtp": None, "learnt": None}


class RelayObject(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A relay as it is shown: secrets are masked."""

    id: str
    name: str
    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"]
    verify: bool
    ca_pem: str | None
    username: str | None
    password: Literal["********"] | None
    auth: str
    oauth: Literal["********"] | None
    max_connections: int
    max_messages_per_connection: int
    max_recipients: int
    pipelining: Literal["auto", "off"]
    rate: str | None
    return_path: str | None
    verp: bool
    dsn: bool
    ehlo: str | None
    default: bool
    enabled: bool
    managed: bool
    timeouts: RelayTimeouts
    status: Literal["active", "backing_off", "paused"]
    status_reason: str | None
    retry_at: str | None
    last_error: str | None
    created_at: str
    updated_at: str


class RelayList(msgspec.Struct):
    """A page of relays, newest first."""

    data: list[RelayObject]
    next_cursor: str | None


RelayChanges = msgspec.defstruct(
    "RelayChanges",
    [
        (field.name, field.type | None | msgspec.UnsetType, msgspec.UNSET)  # null puts it back to its default
        for field in msgspec.structs.fields(NewRelay)
    ],
    kw_only=True,
    namespace={"__doc__": "A JSON merge patch: what is given changes, null puts back to the default."},
)


class PauseRelay(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v1/relays/{id}/pause, which may also be empty."""

    reason: str | None = None


class CheckStep(msgspec.Struct):
    """One step of a session that was tried."""

    stage: str
    ok: bool
    detail: str


class TlsFacts(msgspec.Struct):
    """The protection that was negotiated."""

    version: str
    cipher: str
    verified: bool


class RelayCheck(msgspec.Struct):
    """How connecting to a relay and logging in went."""

    ok: bool
    steps: list[CheckStep]
    tls: TlsFacts | None
    capabilities: list[str]
    duration_ms: float


@blueprint.post("/v1/relays")
@needs("admin")
def create_relay() -> tuple[dict[str, Any], int]:
    """Add a relay. With ``default`` (which is so unless said otherwise) it becomes the app's default."""
    refuse_unknown_arguments()
    wanted = read_json(NewRelay)
    _check(wanted)
    parts = services()
    with parts.database.write() as connection:
        now = parts.database.now()
        _make_room(connection, wanted, None, now)
        values = relay_values(wanted, parts.vault) | {"paused": False, "managed": False}
        row = connection.execute(
            insert(relay)
            .values(id=new_id("rly"), app_id=caller().app_id, created_at=now, updated_at=now, **values)
            .returning(relay)
        ).one()
    _tell_workers()
    return _show(row), 201


@blueprint.get("/v1/relays")
@needs("read")
def list_relays() -> dict[str, Any]:
    """The app's relays."""
    refuse_unknown_arguments("limit", "cursor", "name")
    page = requested_page("rly")
    wanted = select(relay).where(relay.c.app_id == caller().app_id)
    if page.before is not None:
        wanted = wanted.where(relay.c.id < page.before)
    if names := request.args.getlist("name"):
        wanted = wanted.where(relay.c.name.in_(names))
    with services().database.read() as connection:
        rows = connection.execute(wanted.order_by(relay.c.id.desc()).limit(page.fetch)).all()
    return listing(rows, page, _show)


@blueprint.get("/v1/relays/<id_>")
@needs("read")
def get_relay(id_: str) -> dict[str, Any]:
    """One relay."""
    refuse_unknown_arguments()
    with services().database.read() as connection:
        return _show(_find(connection, id_))


@blueprint.patch("/v1/relays/<id_>")
@needs("admin")
def update_relay(id_: str) -> dict[str, Any]:
    """Change a relay: a JSON merge patch; null puts a member back to its default."""
    refuse_unknown_arguments()
    given = read_json(dict[str, Any])
    parts = services()
    with parts.database.write() as connection:
        now = parts.database.now()
        _one_at_a_time(connection)
        before = _find(connection, id_)
        changes = changes_of(given, _show(before), form=NewRelay, mask=MASK, secrets=_SECRETS)
        if not changes:
            return _show(before)
        wanted = convert(merged(msgspec.to_builtins(relay_form(before, parts.vault)), changes), NewRelay)
        _check(wanted)
        _make_room(connection, wanted, id_, now)
        row = _change(connection, id_, relay_values(wanted, parts.vault) | _CLEAN, now)
        if before.retry_at is not None and not before.paused:
            _announce(connection, row, "relay.resumed", "its settings were changed", now)
    _tell_workers()
    return _show(row)


@blueprint.delete("/v1/relays/<id_>")
@needs("admin")
def delete_relay(id_: str) -> tuple[str, int]:
    """Remove a relay that nothing waits for."""
    refuse_unknown_arguments()
    parts = services()
    with parts.database.write() as connection:
        _one_at_a_time(connection)
        row = _find(connection, id_)
        waiting = _waiting(connection, id_)
        if waiting:
            what = "1 delivery waits" if waiting == 1 else f"{waiting} deliveries wait"
            raise Conflict(f"{what} for the relay {row.name!r}: let them finish or cancel them first")
        connection.execute(delete(relay).where(relay.c.id == id_))
    _tell_workers()
    return "", 204


@blueprint.post("/v1/relays/<id_>/check")
@needs("admin")
def check_relay(id_: str) -> dict[str, Any]:
    """Connect and log in now, and report each step, the TLS session and the server's capabilities."""
    refuse_unknown_arguments()
    refuse_fields()
    parts = services()
    with parts.database.read() as connection:
        row = _find(connection, id_)
    targets = parts.relays.targets_of(row.app_id)
    return parts.check_relay(replace(relay_of(row, parts.vault), targets=targets))


@blueprint.post("/v1/relays/<id_>/pause")
@needs("admin")
def pause_relay(id_: str) -> dict[str, Any]:
    """Leave the relay alone until it is resumed, also over restarts; its messages wait."""
    refuse_unknown_arguments()
    reason = _reason()
    parts = services()
    with parts.database.write() as connection:
        now = parts.database.now()
        _one_at_a_time(connection)
        before = _find(connection, id_)
        values = {"paused": True, "pause_reason": reason or before.pause_reason}
        row = _change(connection, id_, values, now)
        if not before.paused:
            _announce(connection, row, "relay.paused", row.pause_reason or "paused by hand", now)
    _tell_workers()
    return _show(row)


@blueprint.post("/v1/relays/<id_>/resume")
@needs("admin")
def resume_relay(id_: str) -> dict[str, Any]:
    """Use the relay again now, whether it was paused by hand or backs off."""
    refuse_unknown_arguments()
    refuse_fields()
    parts = services()
    with parts.database.write() as connection:
        now = parts.database.now()
        _one_at_a_time(connection)
        before = _find(connection, id_)
        row = _change(connection, id_, {"paused": False, "pause_reason": None, **_CLEAN}, now)
        if before.paused or before.retry_at is not None:
            _announce(connection, row, "relay.resumed", "resumed by hand", now)
    _tell_workers()
    return _show(row)


def _check(wanted: NewRelay) -> None:
    if MASK in (wanted.password, wanted.oauth and wanted.oauth.access_token):
        field = "password" if wanted.password == MASK else "oauth.access_token"
        raise Invalid(FieldError(field, "is the mask that stands for a secret: send the secret itself"))
    validate_relay(wanted, allow_plaintext=services().settings.allow_plaintext)
    if (literal := literal_address(wanted.host)) is not None:
        try:
            vet([literal], services().relays.targets_of(caller().app_id), setting="MAILSVC_RELAY_TARGETS")
        except TargetForbidden as error:
            raise Invalid(FieldError("host", str(error))) from None


def _show(row: Any) -> dict[str, Any]:
    return shown_relay(row)


def _find(connection: Connection, id_: str) -> Any:
    condition = (relay.c.id == id_) & (relay.c.app_id == caller().app_id)
    row = connection.execute(select(relay).where(condition)).first()
    if row is None:
        raise NotFound(f"there is no relay {id_[:100]!r}")
    return row


def _one_at_a_time(connection: Connection) -> None:
    """Changes of one app's relays wait for each other: names and the default are matters of all of them."""
    connection.execute(select(app.c.id).where(app.c.id == caller().app_id).with_for_update())


def _make_room(connection: Connection, wanted: NewRelay, id_: str | None, now: int) -> None:
    """Free the default flag for the relay and see that its name is free; ``id_`` is its own where it exists."""
    _one_at_a_time(connection)
    others = relay.c.app_id == caller().app_id
    if id_ is not None:
        others &= relay.c.id != id_
    if connection.execute(select(relay.c.id).where(others, relay.c.name == wanted.name)).first():
        raise Conflict(f"there is already a relay named {wanted.name!r}")
    if wanted.default:
        connection.execute(update(relay).where(others, relay.c.is_default).values(is_default=False, updated_at=now))


def _change(connection: Connection, id_: str, values: dict[str, Any], now: int) -> Any:
    statement = update(relay).where(relay.c.id == id_).values(**values, updated_at=now).returning(relay)
    return connection.execute(statement).one()


def _waiting(connection: Connection, id_: str) -> int:
    own = delivery.c.relay_id == id_
    # Two counts, since each has an index over unfinished rows and a condition with OR would use neither.
    queued = select(func.count()).where(own, delivery.c.due_at.is_not(None))
    held = select(func.count()).where(
        own, delivery.c.status == Status.HELD.value, delivery.c.due_at.is_(None), delivery.c.expires_at.is_not(None)
    )
    return sum(connection.execute(count).scalar_one() for count in (queued, held))


def _reason() -> str | None:
    reason = read_json_if_any(PauseRelay).reason
    if reason is not None and not (len(reason) <= 500 and reason.isprintable()):
        raise Invalid(FieldError("reason", "must be one line of at most 500 characters"))
    return reason


def _announce(connection: Connection, row: Any, event_type: str, reason: str, now: int) -> None:
    retry_at = clock.rfc3339(row.retry_at) if row.retry_at is not None and not row.paused else None
    data = {"relay_id": row.id, "name": row.name, "reason": reason, "retry_at": retry_at}
    append_events(connection, [NewEvent(row.app_id, event_type, data)], now=now)


def _tell_workers() -> None:
    services().relays.forget()
    services().bell.ring(RELAYS, DELIVER, NOTIFY, EVENTS)


OPERATIONS = {
    "create_relay": Operation(summary="Add a relay.", request=NewRelay, answer=RelayObject, status=201),
    "list_relays": Operation(
        summary="List the app's relays, newest first.",
        answer=RelayList,
        query={**PAGING, "name": "Only the relay of this name; may be repeated."},
    ),
    "get_relay": Operation(summary="Show one relay.", answer=RelayObject),
    "update_relay": Operation(
        summary="Change a relay (JSON merge patch, RFC 7396).", request=RelayChanges, answer=RelayObject
    ),
    "delete_relay": Operation(
        summary="Remove a relay that nothing waits for; what turns up for it later goes by the default relay.",
        status=204,
    ),
    "check_relay": Operation(summary="Connect and log in now, and report each step.", answer=RelayCheck),
    "pause_relay": Operation(
        summary="Leave the relay alone until it is resumed; its messages wait.", request=PauseRelay, answer=RelayObject
    ),
    "resume_relay": Operation(summary="Use the relay again now.", answer=RelayObject),
}
