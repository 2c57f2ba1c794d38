"""API keys: create, list, change and revoke. A key is shown once; only its digest is stored."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from mailsvc import clock
from mailsvc.apps.apps import ensure_first_app, find_app, first_app
from mailsvc.apps.key_form import NewKey, key_values, shown_key
from mailsvc.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from mailsvc.domain.ids import new_id
from mailsvc.store.database import Database
from mailsvc.store.newest_first import newest_first
from mailsvc.store.tables import api_key, app

__all__ = [
    "create_key",
    "digest_of",
    "ensure_first_key",
    "find_key",
    "get_key",
    "list_all_keys",
    "list_keys",
    "new_key",
    "revoke_key",
    "update_key",
]

_VALID = api_key.c.revoked_at.is_(None)
_CHANGEABLE = ("name", "scopes", "networks", "expires_at")


def new_key() -> str:
    """Return a random key of 256 bits."""
    return "mk_" + secrets.token_urlsafe(32)


def digest_of(key: str) -> str:
    """Return the digest of a key, which is stored. A key is 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def find_key(database: Database, digest: str) -> Any:
    """Return the key with this digest, unless it is revoked; else None."""
    # Looking up the digest takes no longer for an almost correct key.
    with database.read() as connection:
        return connection.execute(select(api_key).where(api_key.c.digest == digest, _VALID)).first()


def list_keys(database: Database, app_id: str, *, before: str | None = None, limit: int) -> Sequence[Any]:
    """Return the app's keys that are not revoked, newest first, with an id below ``before``."""
    wanted = select(api_key).where(api_key.c.app_id == app_id, _VALID)
    with database.read() as connection:
        return connection.execute(newest_first(wanted, api_key.c.id, before=before, limit=limit)).all()


def list_all_keys(database: Database) -> Sequence[Any]:
    """Return the keys of all apps that are not revoked, newest first, each with its ``app_name``."""
    wanted = select(api_key, app.c.name.label("app_name")).join(app, app.c.id == api_key.c.app_id)
    with database.read() as connection:
        return connection.execute(wanted.where(_VALID).order_by(api_key.c.id.desc())).all()


def get_key(database: Database, app_id: str, id_: str) -> Any:
    """Return one key. Raises NotFound."""
    with database.read() as connection:
        return _find(connection, id_, app_id)


def create_key(database: Database, wanted: NewKey, *, creator: str | None) -> tuple[Any, str]:
    """Create a key. Returns its row, and the key itself, which can't be read again.

    Args:
        creator: the app whose admin creates the key; None for the operator, who may name any app (default: the first).

    Raises:
        Invalid: names every wrong field.
        Forbidden: only the first app may create keys for other apps.
    """
    values, key, now = key_values(wanted), new_key(), clock.now()
    with database.write() as connection:
        app_id = _app_for(connection, wanted.app, creator, now)
        return _insert(connection, {"app_id": app_id, "digest": digest_of(key), **values}, now), key


def update_key(database: Database, app_id: str, id_: str, changes: Mapping[str, Any]) -> Any:
    """Change a key's name, scopes, networks or expiry.

    Raises:
        NotFound: the app has no such key.
        Invalid: names every wrong field.
        Conflict: it is the last key with scope admin, and would lose it.
    """
    with database.write() as connection:
        before = shown_key(_find(connection, id_, app_id))
        wanted = NewKey(**{name: before[name] for name in _CHANGEABLE} | dict(changes))
        values = key_values(wanted, previous_expiry=before["expires_at"])
        if "admin" not in wanted.scopes:
            _keep_an_admin(connection, app_id, id_)
        changed = update(api_key).where(api_key.c.id == id_).values(updated_at=clock.now(), **values)
        return connection.execute(changed.returning(api_key)).one()


def revoke_key(connection: Connection, id_: str, *, app_id: str | None = None) -> None:
    """Revoke a key: from now on it is rejected.

    Args:
        app_id: the app that the key must belong to; None for any.

    Raises:
        NotFound: there is no such key.
        Conflict: it is its app's last key with scope admin.
    """
    row = _find(connection, id_, app_id)
    _keep_an_admin(connection, row.app_id, id_)
    connection.execute(update(api_key).where(api_key.c.id == id_).values(revoked_at=clock.now()))


def ensure_first_key(connection: Connection, app_id: str, key: str, *, now: int) -> None:
    """Store this key with all scopes, unless it is stored already; a revoked or changed one stays so."""
    digest = digest_of(key)
    if connection.execute(select(api_key.c.id).where(api_key.c.digest == digest)).first() is None:
        values = {"name": "first", "scopes": '["send","read","admin"]', "networks": "[]"}
        _insert(connection, {"app_id": app_id, "digest": digest, **values}, now)


def _find(connection: Connection, id_: str, app_id: str | None) -> Any:
    wanted = select(api_key).where(api_key.c.id == id_, _VALID)
    if app_id is not None:
        wanted = wanted.where(api_key.c.app_id == app_id)
    row = connection.execute(wanted).first()
    if row is None:
        raise NotFound(f"there is no key {id_[:100]!r}")
    return row


def _insert(connection: Connection, values: dict[str, Any], now: int) -> Any:
    row = {"id": new_id("key"), "created_at": now, "updated_at": now, **values}
    return connection.execute(insert(api_key).values(**row).returning(api_key)).one()


def _keep_an_admin(connection: Connection, app_id: str, id_: str) -> None:
    """Prevent a lockout: raises Conflict if this is the app's only usable key with scope admin."""
    is_usable_admin = (
        (api_key.c.app_id == app_id)
        & _VALID
        & api_key.c.scopes.contains('"admin"')
        & or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > clock.now())
    )
    # Locks all of them in one order: two admins can't both revoke each other's key.
    ids = select(api_key.c.id).where(is_usable_admin).order_by(api_key.c.id).with_for_update()
    if set(connection.execute(ids).scalars()) == {id_}:
        raise Conflict(f"{id_} is the last key with scope admin; create another one first")


def _app_for(connection: Connection, named: str | None, creator: str | None, now: int) -> str:
    if named is None:
        return creator or ensure_first_app(connection, now=now)
    found = find_app(connection, named)
    if found is not None and found == creator:
        return found
    if creator is not None and creator != first_app(connection):
        raise Forbidden("only admin keys of the first app may create keys for another app")
    if found is None:
        raise Invalid(FieldError("app", f"there is no app {named[:100]!r}"))
    return found
