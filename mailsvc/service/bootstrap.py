"""Prepares every start: the data directory, keys, tables, the first app, and the objects managed by the settings."""

import secrets
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from mailsvc.apps.apps import ensure_first_app
from mailsvc.apps.keys import ensure_first_key, new_key
from mailsvc.errors import TablesMissing, Unavailable
from mailsvc.service.managed import WEBHOOK_SECRET_FILE, manage_mailboxes, manage_relay, manage_webhook
from mailsvc.service.secretfiles import keep_secret, kept_secret, name_weak_secrets
from mailsvc.settings import BadSetting, Settings
from mailsvc.store import migrate
from mailsvc.store.database import Database, explain
from mailsvc.store.vault import Vault

__all__ = ["Start", "bootstrap", "open_vault", "prepare_data_dir"]

_KEY_FILE, _SECRET_FILE = "api-key", "secret-key"


@dataclass(frozen=True, slots=True)
class Start:
    """The facts to print at the start."""

    new_key: str | None  # the first key, if it was just created
    is_sandbox: bool  # the sandbox's relay is the only one


def bootstrap(settings: Settings, *, with_key: bool = True) -> Start:
    """Prepare the service to start. Several processes may call it at the same time.

    Args:
        with_key: have a first API key. Without an API nobody needs one.

    Raises:
        BadSetting: a setting can't be used.
        TablesMissing: the tables are not those that this version needs.
        Unavailable: the database can't be reached.
    """
    prepare_data_dir(settings)
    database = Database(settings.database, pool_size=2)
    try:
        _migrate(settings, database)
        vault = open_vault(settings)
        key, is_new = _first_key(settings) if with_key else (None, False)
        name_weak_secrets([settings.data_dir / name for name in (_KEY_FILE, _SECRET_FILE, WEBHOOK_SECRET_FILE)])
        with migrate.alone(database) as connection:
            now = database.now()
            app_id = ensure_first_app(connection, now=now)
            if key is not None:
                ensure_first_key(connection, app_id, key, now=now)
            is_sandbox = manage_relay(connection, settings, vault, app_id, now=now)
            manage_mailboxes(connection, settings, vault, app_id, now=now)
            manage_webhook(connection, settings, vault, app_id, now=now)
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable(
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
    """The vault with the keys of the settings, or else with the key in the data directory, created if missing."""
    return Vault(
        settings.secret_key or kept_secret(settings.data_dir / _SECRET_FILE, lambda: secrets.token_urlsafe(48))[0]
    )


def _migrate(settings: Settings, database: Database) -> None:
    version = migrate.current(database)
    if version == migrate.HEAD:
        return
    if not settings.auto_migrate:
        raise TablesMissing(f"The database of MAILSVC_DATABASE_URL can't be used: {migrate.lack(version)}.")
    try:
        migrate.upgrade(database)
    except migrate.NewerTables as error:
        raise TablesMissing(f"The database of MAILSVC_DATABASE_URL can't be used: {error}.") from error


def _first_key(settings: Settings) -> tuple[str, bool]:
    path = settings.data_dir / _KEY_FILE
    if settings.api_key is None:
        return kept_secret(path, new_key)
    keep_secret(path, settings.api_key)
    return settings.api_key, False
