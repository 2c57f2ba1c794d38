"""The relay, mailboxes and webhook from the settings: stored at every start, replacing changes made in between."""

import contextlib
from typing import Any

from sqlalchemy import Connection

from mailsvc.apps.mailbox_form import NewMailbox, validate_mailbox
from mailsvc.apps.mailboxes import put_managed_mailboxes
from mailsvc.apps.relay_form import NewRelay, validate_relay
from mailsvc.apps.relays import put_managed_relay
from mailsvc.apps.sandbox_mailbox import keep_sandbox_mailbox
from mailsvc.apps.sandbox_relay import is_sandbox_enabled, keep_sandbox_relay
from mailsvc.apps.webhook_form import managed_webhook_values
from mailsvc.apps.webhooks import find_managed_webhook, put_managed_webhook
from mailsvc.domain.errors import Conflict, Invalid
from mailsvc.domain.signing import new_secret
from mailsvc.service.sandbox_lock import SandboxLock
from mailsvc.service.secretfiles import keep_secret, kept_secret
from mailsvc.settings import BadSetting, Settings, parse_mailbox_urls, parse_relay_url
from mailsvc.store.vault import Vault, VaultError

__all__ = ["WEBHOOK_SECRET_FILE", "manage_mailboxes", "manage_relay", "manage_webhook"]

WEBHOOK_SECRET_FILE = "webhook-secret"  # noqa: S105 - the name of a file


def manage_relay(connection: Connection, settings: Settings, vault: Vault, app_id: str, *, now: int) -> bool:
    """Store the relay of MAILSVC_RELAY_URL and, for an app without relays, the sandbox's with its mailbox.

    Returns whether the sandbox's relay is the only one. Raises BadSetting.
    """
    if settings.relay_url is not None:
        wanted = NewRelay(**{"name": "default", "default": True, **parse_relay_url(settings.relay_url)})
        try:
            validate_relay(wanted, allow_plaintext=settings.allow_plaintext)
        except Invalid as problem:
            raise BadSetting(f"MAILSVC_RELAY_URL can't be used: {problem.detail}.") from problem
        put_managed_relay(connection, app_id, wanted, vault, now=now)
    is_alone = keep_sandbox_relay(connection, app_id, vault, now=now)
    is_used, is_open = is_sandbox_enabled(connection, app_id), SandboxLock(settings.data_dir).is_held
    keep_sandbox_mailbox(connection, app_id, vault, is_used=is_used, is_open=is_open, now=now)
    return is_alone


def manage_mailboxes(connection: Connection, settings: Settings, vault: Vault, app_id: str, *, now: int) -> None:
    """Store the mailboxes of MAILSVC_MAILBOX_URL; disable managed ones that it no longer names. Raises BadSetting."""
    wanted = [NewMailbox(**fields) for fields in parse_mailbox_urls(settings.mailbox_url or "")]
    try:
        for mailbox in wanted:
            # One without a password waits for mailsvc mailbox authorize.
            mailbox.enabled = mailbox.password is not None
            validate_mailbox(mailbox, allow_plaintext=settings.allow_plaintext)
        put_managed_mailboxes(connection, app_id, wanted, vault, now=now)
    except (Invalid, Conflict) as problem:
        raise BadSetting(f"MAILSVC_MAILBOX_URL can't be used: {problem.detail}.") from problem


def manage_webhook(connection: Connection, settings: Settings, vault: Vault, app_id: str, *, now: int) -> None:
    """Store the webhook of MAILSVC_WEBHOOK_URL, unless its row is the same already. Raises BadSetting."""
    if settings.webhook_url is None:
        return
    found = find_managed_webhook(connection, app_id)
    secret = _webhook_secret(settings, found, vault)
    values = managed_webhook_values(settings.webhook_url, secret, settings.targets, vault)
    if found is None or not _is_current(found, values, settings.webhook_secret, vault):
        put_managed_webhook(connection, app_id, values, now=now)


def _webhook_secret(settings: Settings, found: Any, vault: Vault) -> str | None:
    """Return the secret to store; None keeps the stored one.

    If the settings don't contain it, it is also written to a file, because applications need it to verify posts.
    """
    if settings.webhook_secret is not None:
        return settings.webhook_secret
    path = settings.data_dir / WEBHOOK_SECRET_FILE
    if found is None:
        return kept_secret(path, new_secret)[0]
    with contextlib.suppress(VaultError):
        keep_secret(path, vault.decrypt(found.secret))  # it may have been rotated
    return None


def _is_current(row: Any, values: dict[str, Any], secret: str | None, vault: Vault) -> bool:
    if (row.url, row.events, bool(row.enabled)) != (values["url"], values["events"], True):
        return False
    try:
        return secret is None or vault.decrypt(row.secret) == secret
    except VaultError:
        return False
