"""Converts between the mailbox object and its row. Secrets are encrypted in the row."""

import json
from typing import Any

import msgspec

from mailsvc import clock
from mailsvc.apps.account_checks import MASK
from mailsvc.apps.mailbox_form import SECRETS, NewMailbox, port_of, secrets_of
from mailsvc.domain.jsontext import compact
from mailsvc.domain.mailbox import Mailbox
from mailsvc.domain.relay import SANDBOX, SANDBOX_HOST
from mailsvc.domain.targets import TargetPolicy
from mailsvc.store.vault import Vault, VaultError

__all__ = [
    "STATUSES",
    "is_sandbox_mailbox",
    "mailbox_form",
    "mailbox_of",
    "mailbox_status",
    "mailbox_values",
    "shown_mailbox",
]

STATUSES = ("starting", "active", "failing", "paused")


def mailbox_values(mailbox: NewMailbox, vault: Vault) -> dict[str, Any]:
    """Return the columns for this mailbox."""
    config = msgspec.to_builtins(mailbox) | {"host": mailbox.host.removesuffix("."), "port": port_of(mailbox)}
    for apart in ("name", "enabled", *SECRETS):
        config.pop(apart)
    secret = secrets_of(mailbox)
    return {
        "name": mailbox.name,
        "config": compact(config | {"secrets": list(secret)}),
        "secret": vault.encrypt(json.dumps(secret)) if secret else None,
        "enabled": mailbox.enabled,
    }


def mailbox_form(row: Any, vault: Vault) -> NewMailbox:
    """Return the form for this row, including secrets that can be decrypted. A PATCH starts from it."""
    try:
        return _form(row, _secrets(row, vault))
    except VaultError:
        return _form(row, {})


def shown_mailbox(row: Any) -> dict[str, Any]:
    """Return the mailbox object as the API shows it; secrets are masked."""
    config = json.loads(row.config)
    known = config.pop("secrets", ())
    return {
        "id": row.id,
        "name": row.name,
        **config,
        **{name: MASK if name in known else None for name in SECRETS},
        "enabled": bool(row.enabled),
        "managed": bool(row.managed),
        "status": mailbox_status(row),
        "status_reason": (row.pause_reason or "paused by hand") if row.paused else row.status_reason,
        "last_error": row.last_error,
        "retry_at": _shown_time(row.retry_at),
        "last_read_at": _shown_time(row.last_read_at),
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }


def mailbox_of(row: Any, vault: Vault, *, targets: TargetPolicy = "any") -> Mailbox:
    """Return the mailbox in this row, with its secrets. Raises VaultError."""
    form = _form(row, _secrets(row, vault))
    return Mailbox(
        id=row.id,
        app_id=row.app_id,
        name=form.name,
        host=form.host,
        port=port_of(form),
        username=form.username,
        protocol=form.protocol,
        tls=form.tls,
        verify=form.verify,
        ca_pem=form.ca_pem,
        password=form.password,
        access_token=form.oauth.access_token if form.oauth else None,
        renews_token=form.password is None and form.oauth is not None and form.oauth.renews,
        folder=form.folder,
        after=form.after,
        reads_all=form.first_read == "all",
        poll_interval=form.poll_interval,
        idle=form.idle,
        sent_folder=form.sent_folder,
        targets=targets,
    )


def is_sandbox_mailbox(row: Any) -> bool:
    """Whether a mailbox's row is the sandbox's; the settings may name another account like it."""
    if not row.managed or row.name != SANDBOX:
        return False
    config = json.loads(row.config)
    return (config["host"], config["username"]) == (SANDBOX_HOST, SANDBOX)


def _secrets(row: Any, vault: Vault) -> dict[str, Any]:
    return json.loads(vault.decrypt(row.secret)) if row.secret else {}


def _form(row: Any, secrets: dict[str, Any]) -> NewMailbox:
    whole = json.loads(row.config) | {"name": row.name, "enabled": bool(row.enabled), **secrets}
    whole.pop("secrets", None)
    return msgspec.convert(whole, NewMailbox)


def mailbox_status(row: Any) -> str:
    """Return the status of the mailbox in this row, one of ``STATUSES``."""
    if row.paused or not row.enabled:
        return "paused"
    if row.failing:
        return "failing"
    return "active" if row.last_read_at is not None else "starting"


def _shown_time(instant: int | None) -> str | None:
    return None if instant is None else clock.rfc3339(instant)
