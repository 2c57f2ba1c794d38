"""Converts between the relay object and its row. Secrets are encrypted in the row."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from mailsvc import clock
from mailsvc.apps.account_checks import MASK
from mailsvc.apps.relay_form import SECRETS, NewRelay, RelayTimeouts, secrets_of
from mailsvc.domain.jsontext import compact
from mailsvc.domain.relay import Relay, Timeouts
from mailsvc.oauth.grant import OAuth
from mailsvc.settings import stored_rate
from mailsvc.store.vault import Vault

__all__ = ["relay_form", "relay_of", "relay_values", "relay_without_secrets", "shown_relay"]

# Fields that are missing in the rows of older versions.
_LATER_FIELDS = {
    "max_recipients": 100,
    "pipelining": "auto",
    "ehlo": None,
    "reply_token": False,
    "unsubscribe_mailbox": None,
}


def relay_values(relay: NewRelay, vault: Vault) -> dict[str, Any]:
    """Return the columns for this relay."""
    config = msgspec.to_builtins(relay) | {"host": relay.host.removesuffix(".")}
    for apart in ("name", "default", "enabled", "file_sent", *SECRETS):
        config.pop(apart)
    secret = secrets_of(relay)
    return {
        "name": relay.name,
        "config": compact(
            config | {"secrets": list(secret)}
        ),  # only their names: showing a relay must not need the vault
        "secret": vault.encrypt(json.dumps(secret)) if secret else None,
        "enabled": relay.enabled,
        "is_default": relay.default,
        "file_sent": relay.file_sent,
    }


def relay_form(row: Any, vault: Vault) -> NewRelay:
    """Return the form for this row, including secrets. A PATCH starts from it."""
    whole = json.loads(row.config) | {
        "name": row.name,
        "default": bool(row.is_default),
        "enabled": bool(row.enabled),
        "file_sent": bool(row.file_sent),
        **(json.loads(vault.decrypt(row.secret)) if row.secret else {}),
    }
    whole.pop("secrets", None)
    return msgspec.convert(whole, NewRelay)


def shown_relay(row: Any) -> dict[str, Any]:
    """Return the relay object as the API shows it; secrets are masked."""
    config = json.loads(row.config)
    backing_off = row.retry_at is not None
    status = "paused" if row.paused else "backing_off" if backing_off else "active"
    known = config.pop("secrets", ())
    return {
        "id": row.id,
        "name": row.name,
        **_LATER_FIELDS,
        **config,
        "timeouts": msgspec.to_builtins(msgspec.convert(config.get("timeouts") or {}, RelayTimeouts)),
        **{name: MASK if name in known else None for name in SECRETS},
        "file_sent": bool(row.file_sent),
        "default": bool(row.is_default),
        "enabled": bool(row.enabled),
        "managed": bool(row.managed),
        "status": status,
        "status_reason": (row.pause_reason or "paused by hand")
        if row.paused
        else row.last_error
        if backing_off
        else None,
        "retry_at": clock.rfc3339(row.retry_at) if backing_off else None,
        "last_error": row.last_error,
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }


def relay_of(row: Any, vault: Vault) -> Relay:
    """Return the relay in this row, with its secrets."""
    return _relay(row, json.loads(vault.decrypt(row.secret)) if row.secret else {})


def relay_without_secrets(row: Any) -> Relay:
    """Return the relay in this row without its secrets, for a row whose secrets can't be decrypted."""
    return _relay(row, {})


def _relay(row: Any, secret: Mapping[str, Any]) -> Relay:
    config: Mapping[str, Any] = json.loads(row.config)
    rate, oauth = config.get("rate"), msgspec.convert(secret.get("oauth") or {}, OAuth)
    return Relay(
        id=row.id,
        name=row.name,
        host=config["host"].removesuffix("."),
        port=config["port"],
        tls=config["tls"],
        verify=config["verify"],
        ca_pem=config.get("ca_pem"),
        username=config.get("username"),
        password=secret.get("password"),
        auth=config["auth"],
        access_token=oauth.access_token,
        renews_token=oauth.renews,
        max_connections=config["max_connections"],
        max_messages_per_connection=config["max_messages_per_connection"],
        max_recipients=config.get("max_recipients", 100),
        pipelining=config.get("pipelining", "auto"),
        rate=stored_rate(rate) if rate else None,
        return_path=config.get("return_path"),
        verp=config["verp"],
        dsn=config["dsn"],
        ehlo=config.get("ehlo"),
        reply_token=config.get("reply_token", False),
        unsubscribe_mailbox=config.get("unsubscribe_mailbox"),
        timeouts=Timeouts(**(config.get("timeouts") or {})),
    )
