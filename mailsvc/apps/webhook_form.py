"""The webhook object as applications send and receive it, and its row."""

import json
from typing import Any

import msgspec

from mailsvc import clock
from mailsvc.apps.account_checks import MASK, check_ca
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.events import is_pattern
from mailsvc.domain.jsontext import compact
from mailsvc.domain.signing import check_secret
from mailsvc.domain.targets import TargetPolicy, check_url
from mailsvc.settings import BadSetting
from mailsvc.store.vault import Vault

__all__ = [
    "NO_FAILURES",
    "NewWebhook",
    "check_webhook",
    "managed_webhook_values",
    "secrets_in_force",
    "shown_webhook",
    "webhook_form",
    "webhook_values",
]

MAX_PATTERNS = 50
MAX_DESCRIPTION = 500
# Failures before it was enabled, or at another URL, don't count any more.
NO_FAILURES: dict[str, Any] = {"failing_since": None, "disabled_reason": None}


class NewWebhook(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An endpoint of the application that receives events."""

    url: str
    events: list[str] = msgspec.field(default_factory=lambda: ["*"])
    description: str | None = None
    ca_pem: str | None = None
    enabled: bool = True


def check_webhook(webhook: NewWebhook, *, targets: TargetPolicy) -> None:
    """Raises Invalid, which names every wrong field."""
    wrong = [
        _check_url(webhook.url, targets),
        *_check_events(webhook.events),
        _check_description(webhook.description),
        check_ca(webhook.ca_pem),
    ]
    errors = [error for error in wrong if error]
    if errors:
        raise Invalid(*errors)


def webhook_values(webhook: NewWebhook) -> dict[str, Any]:
    """Return the columns for this webhook, without its secret."""
    return {
        "url": webhook.url,
        "events": compact(webhook.events),
        "description": webhook.description,
        "ca_pem": webhook.ca_pem,
        "enabled": webhook.enabled,
    }


def webhook_form(row: Any) -> NewWebhook:
    """Return the form for this row. A PATCH starts from it."""
    return NewWebhook(
        url=row.url,
        events=json.loads(row.events),
        description=row.description,
        ca_pem=row.ca_pem,
        enabled=bool(row.enabled),
    )


def shown_webhook(row: Any, *, now: int, secret: str = MASK) -> dict[str, Any]:
    """Return the webhook object as the API shows it; ``secret`` is given only if it was just created."""
    rotating = row.old_secret is not None and (row.old_secret_until or 0) > now
    return {
        "id": row.id,
        "url": row.url,
        "events": json.loads(row.events),
        "description": row.description,
        "ca_pem": row.ca_pem,
        "enabled": bool(row.enabled),
        "secret": secret,
        "old_secret_until": clock.rfc3339(row.old_secret_until) if rotating else None,
        "managed": bool(row.managed),
        "failing_since": clock.rfc3339(row.failing_since) if row.failing_since is not None else None,
        "disabled_reason": row.disabled_reason,
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }


def secrets_in_force(row: Any, vault: Vault, *, now: int) -> list[str]:
    """Return the secrets that sign for this webhook now: its own and, during a rotation, the previous one."""
    secrets = [vault.decrypt(row.secret)]
    if row.old_secret is not None and (row.old_secret_until or 0) > now:
        secrets.append(vault.decrypt(row.old_secret))
    return secrets


def managed_webhook_values(url: str, secret: str | None, targets: TargetPolicy, vault: Vault) -> dict[str, Any]:
    """Return the columns of the webhook from the settings.

    Args:
        url: MAILSVC_WEBHOOK_URL.
        secret: MAILSVC_WEBHOOK_SECRET, or a new one; None keeps the secret of the row.
        targets: the addresses that the URL may have.
        vault: encrypts the secret.

    Raises:
        BadSetting: the URL or the secret can't be used.
    """
    if (error := _check_url(url, targets)) is not None:
        raise BadSetting(f"MAILSVC_WEBHOOK_URL can't be used: {error.detail}.")
    if secret is not None:
        try:
            check_secret(secret)
        except ValueError as error:
            raise BadSetting(f"MAILSVC_WEBHOOK_SECRET can't be used: {error}.") from None
    values: dict[str, Any] = {"url": url, "events": compact(["*"]), "enabled": True, **NO_FAILURES}
    if secret is not None:
        values["secret"] = vault.encrypt(secret)
    return values


def _check_url(url: str, targets: TargetPolicy) -> FieldError | None:
    try:
        check_url(url, targets)
    except ValueError as error:
        return FieldError("url", str(error))
    return None


def _check_events(patterns: list[str]) -> list[FieldError | None]:
    if not 1 <= len(patterns) <= MAX_PATTERNS:
        return [FieldError("events", f'must name 1 to {MAX_PATTERNS} types; ["*"] means all')]
    return [
        None
        if is_pattern(pattern)
        else FieldError(f"events.{n}", "is not an event type, a family such as message.*, or *")
        for n, pattern in enumerate(patterns)
    ]


def _check_description(text: str | None) -> FieldError | None:
    if text is None or (len(text) <= MAX_DESCRIPTION and "\0" not in text):
        return None
    return FieldError("description", f"must have at most {MAX_DESCRIPTION} characters, none of them NUL")
