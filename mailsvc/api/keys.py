"""/v1/keys: API keys with scopes, client networks and expiry. A key is shown once."""

import msgspec
from flask import Blueprint, Response, jsonify

from mailsvc.api.auth import caller, needs
from mailsvc.api.input import read_json, refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.apps import keys
from mailsvc.apps.key_form import NewKey, Scope, shown_key

__all__ = ["OPERATIONS", "KeyObject", "blueprint"]

blueprint = Blueprint("keys", __name__)


class KeyChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to a key."""

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
    """Keys that are not revoked, newest first."""
    refuse_unknown_arguments("limit", "cursor")
    page = requested_page("key")
    rows = keys.list_keys(services().database, caller().app_id, before=page.before, limit=page.fetch)
    return jsonify(listing(rows, page, shown_key))


@blueprint.post("/v1/keys")
@needs("admin")
def create_key() -> tuple[Response, int]:
    """Create a key; the response is the only place where it is shown."""
    refuse_unknown_arguments()
    row, key = keys.create_key(services().database, read_json(NewKey), creator=caller().app_id)
    return jsonify({**shown_key(row), "key": key}), 201


@blueprint.get("/v1/keys/<id_>")
@needs("admin")
def get_key(id_: str) -> Response:
    """One key, without the key itself."""
    refuse_unknown_arguments()
    return jsonify(shown_key(keys.get_key(services().database, caller().app_id, id_)))


@blueprint.patch("/v1/keys/<id_>")
@needs("admin")
def update_key(id_: str) -> Response:
    """Change a key's name, scopes, networks or expiry."""
    refuse_unknown_arguments()
    given = msgspec.structs.asdict(read_json(KeyChange))
    changes = {name: value for name, value in given.items() if value is not msgspec.UNSET}
    row = keys.update_key(services().database, caller().app_id, id_, changes)
    services().keyring.forget()
    return jsonify(shown_key(row))


@blueprint.delete("/v1/keys/<id_>")
@needs("admin")
def delete_key(id_: str) -> tuple[str, int]:
    """Revoke a key: it is refused from now on."""
    refuse_unknown_arguments()
    with services().database.write() as connection:
        keys.revoke_key(connection, id_, app_id=caller().app_id)
    services().keyring.forget()
    return "", 204


OPERATIONS = {
    "list_keys": Operation(summary="List the keys that are not revoked, newest first.", answer=KeyPage, query=PAGING),
    "create_key": Operation(summary="Create a key; it is shown only now.", request=NewKey, answer=MadeKey, status=201),
    "get_key": Operation(summary="Get one key, without the key itself.", answer=KeyObject),
    "update_key": Operation(
        summary="Change a key's name, scopes, networks or expiry.", request=KeyChange, answer=KeyObject
    ),
    "delete_key": Operation(summary="Revoke a key.", status=204),
}
