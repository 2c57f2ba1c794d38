"""The API key object as applications send and receive it, and its row."""

import ipaddress
import json
from typing import Any, Literal

import msgspec

from mailsvc import clock
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.fieldtext import field_flaw
from mailsvc.domain.jsontext import compact

__all__ = ["NewKey", "Scope", "key_values", "shown_key"]

Scope = Literal["send", "read", "admin"]
MAX_NAME, MAX_NETWORKS = 100, 50


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """The permissions of a key, its networks and its expiry."""

    name: str
    scopes: list[Scope]
    networks: list[str] = []
    expires_at: str | None = None
    app: str | None = None


def key_values(wanted: NewKey, *, previous_expiry: str | None = None) -> dict[str, Any]:
    """Return the columns for this form.

    Args:
        previous_expiry: may be given again even if it is in the past.

    Raises:
        Invalid: names every wrong field.
    """
    networks, wrong_networks = _networks(wanted.networks)
    expires_at, wrong_expiry = _expiry(wanted.expires_at, previous_expiry)
    errors = [*_name_errors(wanted.name), *_scope_errors(wanted.scopes), *wrong_networks, *wrong_expiry]
    if errors:
        raise Invalid(*errors)
    return {
        "name": wanted.name,
        "scopes": compact(sorted(set(wanted.scopes))),
        "networks": compact(networks),
        "expires_at": expires_at,
    }


def shown_key(row: Any) -> dict[str, Any]:
    """Return the key object as the API shows it, without the key."""
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


def _name_errors(name: str) -> list[FieldError]:
    if not 1 <= len(name) <= MAX_NAME:
        return [FieldError("name", f"must have 1 to {MAX_NAME} characters")]
    flaw = field_flaw(name)
    return [FieldError("name", flaw)] if flaw else []


def _scope_errors(scopes: list[Scope]) -> list[FieldError]:
    return [] if scopes else [FieldError("scopes", "must name at least one of send, read and admin")]


def _networks(given: list[str]) -> tuple[list[str], list[FieldError]]:
    if len(given) > MAX_NETWORKS:
        return [], [FieldError("networks", f"must name at most {MAX_NETWORKS}")]
    networks, errors = [], []
    for n, text in enumerate(given):
        try:
            networks.append(str(ipaddress.ip_network(text)))
        except ValueError:
            errors.append(
                FieldError(f"networks.{n}", "must be a network such as 10.0.0.0/8, without bits beyond the prefix")
            )
    return networks, errors


def _expiry(given: str | None, previous: str | None) -> tuple[int | None, list[FieldError]]:
    if given is None:
        return None, []
    try:
        expires_at = clock.parse_rfc3339(given)
    except ValueError as error:
        return None, [FieldError("expires_at", f"is {error}")]
    if expires_at <= clock.now() and given != previous:
        return None, [FieldError("expires_at", "must be in the future; to end a key now, delete it")]
    return expires_at, []
