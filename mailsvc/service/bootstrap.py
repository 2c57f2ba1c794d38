"""The first steps of every start: data directory, keys, tables, the first app, and what the settings manage."""

import contextlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from mailsvc.apps.apps import ensure_first_app
from mailsvc.apps.keys import ensure_first_key, new_key
from mailsvc.apps.relay_form import NewRelay, validate_relay
from mailsvc.apps.relays import put_managed_relay
from mailsvc.apps.sandbox_relay import keep_sandbox_relay
from mailsvc.apps.webhook_form import managed_webhook_values
from mailsvc.apps.webhooks import find_managed_webhook, put_managed_webhook
from mailsvc.domain.errors import Invalid
from mailsvc.domain.signing import new_secret
from mailsvc.service.secretfiles import keep_secret, kept_secret, name_weak_secrets
from mailsvc.settings import BadSetting, Settings, parse_relay_url
from mailsvc.store import migrate
from mailsvc.store.database import Database, explain
from mailsvc.store.vault import Vault, VaultError

__all__ = ["Start", "bootstrap", "open_vault", "prepare_data_dir"]

_KEY_FILE, _SECRET_FILE, _WEBHOOK_SECRET_FILE = "api-key", "secret-key", "webhook-secret"


@dataclass(frozen=True, slots=True)
class Start:
    """What is shown to whoever starts the service."""

    new_key: str | None  # the first key, if it was just created
    is_sandbox: bool  # the sandbox's relay is the only one


def bootstrap(settings: Settings) -> Start:
    """Prepare the service to start. Many processes may call it at once.

    Raises:
        BadSetting: the database can't be reached, or its tables are not those that this version needs.
    """
    prepare_data_dir(settings)
    database = Database(settings.database, pool_size=2)
    try:
        _migrate(settings, database)
        vault = open_vault(settings)
        key, is_new = _first_key(settings)
        name_weak_secrets([settings.data_dir / name for name in (_KEY_FILE, _SECRET_FILE, _WEBHOOK_SECRET_FILE)])
        with migrate.alone(database) as connection:
            now = database.now()
            app_id = ensure_first_app(connection, now=now)
            ensure_first_key(connection, app_id, key, now=now)
            is_sandbox = _manage_relay(connection, settings, vault, app_id, now)
            _manage_webhook(connection, settings, vault, app_id, now)
    except (SQLAlchemyError, OSError) as error:
        raise BadSetting(
            f"The database of MAILSVC_DATABASE_URL can't be used: {explain(error, settings.database)}."
        ) from error
    finally:
        database.close()
    return Start(key if is_new else None, is_sandbox)


def prepare_data_dir(settings: Settings) -> None:
    """Create the data directory, readable only by its owner."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (settings.data_dir / "journal").mkdir(mode=0o700, exist_ok=True)
        settings.data_dir.chmod(0o700)
    except OSError as error:
        raise BadSetting(f"MAILSVC_DATA_DIR {settings.data_dir} can't be used: {error.strerror}.") from error


def open_vault(settings: Settings) -> Vault:
    """The vault with the keys of the settings, else with the key in the data directory, created if missing."""
    return Vault(
        settings.secret_key or kept_secret(settings.data_dir / _SECRET_FILE, lambda: secrets.token_urlsafe(48))[0]
    )


def _migrate(settings: Settings, database: Database) -> None:
    version = migrate.current(database)
    if version == migrate.HEAD:
        return
    if not settings.auto_migrate:
        raise BadSetting(f"The database of MAILSVC_DATABASE_URL can't be used: {migrate.lack(version)}.")
    try:
        migrate.upgrade(database)
    except migrate.NewerTables as error:
        raise BadSetting(f"The database of MAILSVC_DATABASE_URL can't be used: {error}.") from error


def _first_key(settings: Settings) -> tuple[str, bool]:
    path = settings.data_dir / _KEY_FILE
    if settings.api_key is None:
        return kept_secret(path, new_key)
    keep_secret(path, settings.api_key)
    return settings.api_key, False


def _manage_relay(connection: Connection, settings: Settings, vault: Vault, app_id: str, now: int) -> bool:
    """Have the relay of MAILSVC_RELAY_URL and, without any relay, the sandbox's. Returns whether there is only the latter."""
    if settings.relay_url is not None:
        wanted = NewRelay(**{"name": "default", "default": True, **parse_relay_url(settings.relay_url)})
        try:
            validate_relay(wanted, allow_plaintext=settings.allow_plaintext)
        except Invalid as problem:
            raise BadSetting(f"MAILSVC_RELAY_URL can't be used: {problem.detail}.") from problem
        put_managed_relay(connection, app_id, wanted, vault, now=now)
    return keep_sandbox_relay(connection, app_id, vault, now=now)


def _manage_webhook(connection: Connection, settings: Settings, vault: Vault, app_id: str, now: int) -> None:
    """Have the webhook of MAILSVC_WEBHOOK_URL. Its row is left alone where it is as the settings say."""
    if settings.webhook_url is None:
        return
    found = find_managed_webhook(connection, app_id)
    secret = _webhook_secret(settings, found, vault)
    values = managed_webhook_values(settings.webhook_url, secret, settings.targets, vault)
    if found is None or not _is_current(found, values, settings.webhook_secret, vault):
        put_managed_webhook(connection, app_id, values, now=now)


def _webhook_secret(settings: Settings, found: Any, vault: Vault) -> str | None:
    """The secret to store; None keeps the stored one. One that the settings don't give is written to a file for its users."""
    if settings.webhook_secret is not None:
        return settings.webhook_secret
    path = settings.data_dir / _WEBHOOK_SECRET_FILE
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
