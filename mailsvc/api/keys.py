"""/v1/keys: API keys with scopes, client networks and expiry. A key is shown once, and stored as its digest."""

import ipaddress
import json
import secrets
from typing import Any, Literal

import msgspec
from flask import Blueprint, Response, jsonify
from sqlalchemy import Connection, insert, or_, select, update

from mailsvc import clock
from mailsvc.api.auth import caller, digest_of, needs
from mailsvc.api.input import read_json, refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from mailsvc.domain.fieldtext import field_flaw
from mailsvc.domain.ids import new_id
from mailsvc.domain.jsontext import compact
from mailsvc.store.tables import api_key, app

__all__ = ["OPERATIONS", "KeyObject", "NewKey", "blueprint", "key_values", "make_key", "shown_key"]

blueprint = Blueprint("keys", __name__)

Scope = Literal["send", "read", "admin"]
MOST_NAME, MOST_NETWORKS = 100, 50


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """What a key may do, from where, and until when."""

    name: str
    scopes: list[Scope]
    networks: list[str] = []
    expires_at: str | None = None
    app: str | None = None


class KeyChange(msgspec.Struct, forbid_unknown_fields=True):
    """What of a key may be changed."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    scopes: list[Scope] | msgspec.UnsetType = msgspec.UNSET
    networks: list[str] | msgspec.UnsetType = msgspec.UNSET
    expires_at: str | None | msgspec.UnsetType = msgspec.UNSET


class KeyObject(msgspec.Struct):
    """A key without the key itself."""

    id: str
    name: str
    scopes: list[str]
    networks: list[str]
    expires_at: str | None
    app: str
    created_at: str
    updated_at: str


class MadeKey(KeyObject):
    """A new key; ``key`` is shown only now."""

    key: str


class KeyPage(msgspec.Struct):
    """Keys, newest first."""

    data: list[KeyObject]
    next_cursor: str | None


@blueprint.get("/v1/keys")
@needs("admin")
def list_keys() -> Response:
    """Keys that are in force, newest first."""
    refuse_unknown_arguments("limit", "cursor")
    page = requested_page("key")
    conditions = [api_key.c.app_id == caller().app_id, api_key.c.revoked_at.is_(None)]
    if page.before is not None:
        conditions.append(api_key.c.id < page.before)
    with services().database.read() as connection:
        rows = connection.execute(
            select(api_key).where(*conditions).order_by(api_key.c.id.desc()).limit(page.fetch)
        ).all()
    return jsonify(listing(rows, page, shown_key))


@blueprint.post("/v1/keys")
@needs("admin")
def create_key() -> tuple[Response, int]:
    """Make a key; the answer is the only place where it is shown."""
    refuse_unknown_arguments()
    wanted = read_json(NewKey)
    values = key_values(wanted)
    key, now = make_key(), clock.now()
    with services().database.write() as connection:
        app_id = _app_for(connection, wanted.app)
        id_ = new_id("key")
        connection.execute(
            insert(api_key).values(
                id=id_, app_id=app_id, digest=digest_of(key), created_at=now, updated_at=now, **values
            )
        )
        row = connection.execute(select(api_key).where(api_key.c.id == id_)).one()
    return jsonify({**shown_key(row), "key": key}), 201


@blueprint.get("/v1/keys/<id_>")
@needs("admin")
def get_key(id_: str) -> Response:
    """One key, without the key itself."""
    refuse_unknown_arguments()
    with services().database.read() as connection:
        return jsonify(shown_key(_found(connection, id_)))


@blueprint.patch("/v1/keys/<id_>")
@needs("admin")
def update_key(id_: str) -> Response:
    """Change a key's name, scopes, networks or expiry."""
    refuse_unknown_arguments()
    given = read_json(KeyChange)
    with services().database.write() as connection:
        now_is = shown_key(_found(connection, id_))
        merged = {name: now_is[name] for name in ("name", "scopes", "networks", "expires_at")}
        merged |= {name: value for name, value in msgspec.structs.asdict(given).items() if value is not msgspec.UNSET}
        changed = NewKey(**merged)
        values = key_values(changed, was=now_is["expires_at"])
        if "admin" not in changed.scopes:
            _keep_an_admin(connection, id_)
        connection.execute(update(api_key).where(api_key.c.id == id_).values(updated_at=clock.now(), **values))
        row = _found(connection, id_)
    services().keyring.forget()
    return jsonify(shown_key(row))


@blueprint.delete("/v1/keys/<id_>")
@needs("admin")
def delete_key(id_: str) -> tuple[str, int]:
    """Revoke a key: it is refused from now on."""
    refuse_unknown_arguments()
    with services().database.write() as connection:
        _found(connection, id_)
        _keep_an_admin(connection, id_)
        connection.execute(update(api_key).where(api_key.c.id == id_).values(revoked_at=clock.now()))
    services().keyring.forget()
    return "", 204


def make_key() -> str:
    """A new key of 256 bits."""
    return "mk_" + secrets.token_urlsafe(32)


def _found(connection: Connection, id_: str) -> Any:
    condition = (api_key.c.id == id_) & (api_key.c.app_id == caller().app_id) & api_key.c.revoked_at.is_(None)
    row = connection.execute(select(api_key).where(condition)).first()
    if row is None:
        raise NotFound("there is no such key")
    return row


def _keep_an_admin(connection: Connection, id_: str) -> None:
    """Nobody may lock themselves out: somebody with scope admin must be left."""
    in_force = (
        (api_key.c.app_id == caller().app_id)
        & api_key.c.revoked_at.is_(None)
        & api_key.c.scopes.contains('"admin"')
        & or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > clock.now())
    )
    # All of them are locked, in one order: two admins who revoke each other's keys can't both succeed.
    admins = connection.execute(select(api_key.c.id).where(in_force).order_by(api_key.c.id).with_for_update()).scalars()
    if set(admins) <= {id_}:
        raise Conflict("this is the last key with scope admin; make another one first")


def _app_for(connection: Connection, named: str | None) -> str:
    own = caller().app_id
    if named is None:
        return own
    found = connection.execute(select(app.c.id).where(or_(app.c.id == named, app.c.name == named))).scalar()
    if found == own:
        return own
    if own != connection.execute(select(app.c.id).order_by(app.c.id).limit(1)).scalar():
        raise Forbidden("only admin keys of the first app may make keys for another app")
    if found is None:
        raise Invalid(FieldError("app", f"there is no app {named[:100]!r}"))
    return str(found)


def key_values(wanted: NewKey, *, was: str | None = None) -> dict[str, Any]:
    """The columns of a key's row that the form gives; raises Invalid, with every field at fault."""
    errors = []
    if not 1 <= len(wanted.name) <= MOST_NAME or (flaw := field_flaw(wanted.name)):
        errors.append(
            FieldError(
                "name",
                f"must have 1 to {MOST_NAME} characters" if not 1 <= len(wanted.name) <= MOST_NAME else str(flaw),
            )
        )
    if not wanted.scopes:
        errors.append(FieldError("scopes", "must name at least one of send, read and admin"))
    networks, wrong = _networks(wanted.networks)
    expires_at, late = _expiry(wanted.expires_at, was)
    errors += wrong + late
    if errors:
        raise Invalid(*errors)
    return {
        "name": wanted.name,
        "scopes": compact(sorted(set(wanted.scopes))),
        "networks": compact(networks),
        "expires_at": expires_at,
    }


def _networks(given: list[str]) -> tuple[list[str], list[FieldError]]:
    if len(given) > MOST_NETWORKS:
        return [], [FieldError("networks", f"must name at most {MOST_NETWORKS}")]
    networks, errors = [], []
    for n, text in enumerate(given):
        try:
            networks.append(str(ipaddress.ip_network(text)))
        except ValueError:
            errors.append(
                FieldError(f"networks.{n}", "must be a network such as 10.0.0.0/8, without bits beyond the prefix")
            )
    return networks, errors


def _expiry(given: str | None, was: str | None) -> tuple[int | None, list[FieldError]]:
    if given is None:
        return None, []
    try:
        expires_at = clock.parse_rfc3339(given)
    except ValueError as error:
        return None, [FieldError("expires_at", f"is {error}")]
    if expires_at <= clock.now() and given != was:
        return None, [FieldError("expires_at", "must be in the future; to end a key now, delete it")]
    return expires_at, []


def shown_key(row: Any) -> dict[str, Any]:
    """The key object as it is shown: without the key."""
    return {
        "id": row.id,
        "name": row.name,
        "scopes": json.loads(row.scopes),
        "networks": json.loads(row.networks),
        "expires_at": clock.rfc3339(row.expires_at) if row.expires_at is not None else None,
        "app": row.app_id,
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }


OPERATIONS = {
    "list_keys": Operation(summary="Keys that are in force, newest first.", answer=KeyPage, query=PAGING),
    "create_key": Operation(summary="Make a key; it is shown only now.", request=NewKey, answer=MadeKey, status=201),
    "get_key": Operation(summary="One key, without the key itself.", answer=KeyObject),
    "update_key": Operation(
        summary="Change a key's name, scopes, networks or expiry.", request=KeyChange, answer=KeyObject
    ),
    "delete_key": Operation(summary="Revoke a key.", status=204),
}
