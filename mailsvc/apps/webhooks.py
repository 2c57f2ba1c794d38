"""The webhooks of an app: list, create, change, delete, rotate secrets, mark as failing, disable.

Only this module writes the table.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from mailsvc import clock
from mailsvc.apps.webhook_form import (
    NO_FAILURES,
    NewWebhook,
    check_webhook,
    secrets_in_force,
    webhook_values,
)
from mailsvc.apps.webhook_posts import delete_posts, fail_waiting_posts
from mailsvc.domain.errors import FieldError, Invalid, NotFound
from mailsvc.domain.ids import new_id
from mailsvc.domain.signing import TrialPost, new_secret
from mailsvc.domain.targets import TargetPolicy
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.database import Database
from mailsvc.store.newest_first import newest_first
from mailsvc.store.tables import webhook
from mailsvc.store.vault import Vault
from mailsvc.telemetry import facts, log

__all__ = [
    "create_webhook",
    "delete_webhook",
    "disable_webhook",
    "find_managed_webhook",
    "get_webhook",
    "list_webhooks",
    "mark_failing",
    "mark_working",
    "put_managed_webhook",
    "rotate_webhook_secret",
    "trial_post",
    "update_webhook",
]

MAX_GRACE = 30 * 86_400  # seconds


def list_webhooks(database: Database, app_id: str, *, before: str | None = None, limit: int) -> Sequence[Any]:
    """Return the app's webhooks, newest first, with an id below ``before``."""
    wanted = select(webhook).where(webhook.c.app_id == app_id)
    with database.read() as connection:
        return connection.execute(newest_first(wanted, webhook.c.id, before=before, limit=limit)).all()


def get_webhook(database: Database, app_id: str, id_: str) -> Any:
    """Return one webhook. Raises NotFound."""
    with database.read() as connection:
        return _find(connection, app_id, id_)


def create_webhook(
    database: Database, app_id: str, wanted: NewWebhook, *, vault: Vault, targets: TargetPolicy
) -> tuple[Any, str]:
    """Create a webhook. Returns its row and its secret. Raises Invalid."""
    check_webhook(wanted, targets=targets)
    secret, now = new_secret(), database.now()
    values = {"app_id": app_id, "managed": False, "secret": vault.encrypt(secret), **webhook_values(wanted)}
    with database.write() as connection:
        return _insert(connection, values, now), secret


def update_webhook(
    database: Database, app_id: str, id_: str, edit: Callable[[Any], NewWebhook | None], *, targets: TargetPolicy
) -> Any:
    """Change a webhook to the form that ``edit`` returns for its row. Enabling it, or a new URL, clears its failures.

    Args:
        edit: returns the complete new form, or None to change nothing.

    Raises:
        NotFound: the app has no such webhook.
        Invalid: names every wrong field.
    """
    with database.write() as connection:
        before = _find(connection, app_id, id_, for_update=True)
        wanted = edit(before)
        if wanted is None:
            return before
        check_webhook(wanted, targets=targets)
        is_new_start = wanted.url != before.url or (wanted.enabled and not before.enabled)
        values = webhook_values(wanted) | (NO_FAILURES if is_new_start else {})
        return _change(connection, id_, values, database.now())


def delete_webhook(database: Database, app_id: str, id_: str) -> None:
    """Delete a webhook and its deliveries. Raises NotFound."""
    with database.write() as connection:
        _find(connection, app_id, id_)
        connection.execute(delete(webhook).where(webhook.c.id == id_))
    delete_posts(database, id_)


def rotate_webhook_secret(
    database: Database, app_id: str, id_: str, *, grace_seconds: int, vault: Vault
) -> tuple[Any, str]:
    """Give a webhook a new secret. Returns its row and the secret. The previous one also signs for ``grace_seconds``.

    Raises:
        NotFound: the app has no such webhook.
        Invalid: ``grace_seconds`` is out of range.
    """
    if not 0 <= grace_seconds <= MAX_GRACE:
        raise Invalid(FieldError("grace_seconds", f"must be from 0 to {MAX_GRACE}"))
    secret = new_secret()
    with database.write() as connection:
        before = _find(connection, app_id, id_, for_update=True)
        now = database.now()
        values = {
            "secret": vault.encrypt(secret),
            "old_secret": before.secret if grace_seconds else None,
            "old_secret_until": now + grace_seconds * clock.SECOND if grace_seconds else None,
        }
        return _change(connection, id_, values, now), secret


def trial_post(row: Any, vault: Vault, *, now: int) -> TrialPost:
    """Return a ``webhook.test`` event, to be posted to this webhook now. It is not stored."""
    event_id = new_id("evt")
    payload = {
        "id": event_id,
        "type": "webhook.test",
        "timestamp": clock.rfc3339(now),
        "sequence": None,
        "data": {"webhook_id": row.id, "url": row.url},
    }
    secrets = secrets_in_force(row, vault, now=now)
    return TrialPost(row.url, row.ca_pem, msgspec.json.encode(payload), secrets, event_id)


def mark_failing(connection: Connection, id_: str, *, now: int) -> None:
    """Note that a post has failed; ``failing_since`` is the first failure since the last success."""
    own = (webhook.c.id == id_) & webhook.c.failing_since.is_(None)
    connection.execute(update(webhook).where(own).values(failing_since=now))


def mark_working(connection: Connection, id_: str) -> None:
    """Note that a post has succeeded."""
    connection.execute(update(webhook).where(webhook.c.id == id_).values(failing_since=None))


def disable_webhook(connection: Connection, row: Any, reason: str, *, now: int) -> None:
    """Post nothing more to the webhook until it is enabled again. Emits ``webhook.disabled`` once."""
    own = (webhook.c.id == row.id) & webhook.c.enabled
    values = {"enabled": False, "disabled_reason": reason, "updated_at": now}
    if connection.execute(update(webhook).where(own).values(**values)).rowcount != 1:
        return  # another worker was faster
    fail_waiting_posts(connection, row.id, reason)
    log.warning("webhook disabled", extra=facts(webhook=row.id, reason=reason))
    data = {"webhook_id": row.id, "url": row.url, "reason": reason}
    append_events(connection, [NewEvent(row.app_id, "webhook.disabled", data)], now=now)


def find_managed_webhook(connection: Connection, app_id: str) -> Any:
    """Return the webhook that the settings manage, if there is one."""
    return connection.execute(select(webhook).where(webhook.c.app_id == app_id, webhook.c.managed)).first()


def put_managed_webhook(connection: Connection, app_id: str, values: Mapping[str, Any], *, now: int) -> None:
    """Create the webhook from the settings, or change it to these columns."""
    found = find_managed_webhook(connection, app_id)
    if found is None:
        _insert(connection, {"app_id": app_id, "managed": True, **values}, now)
    else:
        _change(connection, found.id, values, now)


def _find(connection: Connection, app_id: str, id_: str, *, for_update: bool = False) -> Any:
    wanted = select(webhook).where(webhook.c.id == id_, webhook.c.app_id == app_id)
    row = connection.execute(wanted.with_for_update() if for_update else wanted).first()
    if row is None:
        raise NotFound(f"there is no webhook {id_[:100]!r}")
    return row


def _insert(connection: Connection, values: Mapping[str, Any], now: int) -> Any:
    row = {"id": new_id("whk"), "created_at": now, "updated_at": now, **values}
    return connection.execute(insert(webhook).values(**row).returning(webhook)).one()


def _change(connection: Connection, id_: str, values: Mapping[str, Any], now: int) -> Any:
    changed = {**values, "updated_at": now}
    return connection.execute(update(webhook).where(webhook.c.id == id_).values(**changed).returning(webhook)).one()
