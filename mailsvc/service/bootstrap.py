"""The first steps of every start: data directory, keys, tables, the first app, and what the settings manage."""

import contextlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from mailsvc.api.auth import digest_of
from mailsvc.apps.relay_form import NewRelay, relay_values, validate_relay
from mailsvc.apps.relays import IS_SANDBOX, is_sandbox
from mailsvc.apps.webhook_form import managed_webhook_values
from mailsvc.domain.errors import Invalid
from mailsvc.domain.ids import new_id
from mailsvc.domain.jsontext import compact
from mailsvc.domain.relay import SANDBOX
from mailsvc.domain.signing import new_secret
from mailsvc.service.secretfiles import keep_secret, kept_secret, name_weak_secrets
from mailsvc.settings import BadSetting, Settings, parse_relay_url
from mailsvc.store import migrate
from mailsvc.store.database import Database, explain
from mailsvc.store.tables import api_key, app, delivery, relay, webhook
from mailsvc.store.vault import Vault, VaultError

__all__ = ["Start", "bootstrap", "first_app", "open_vault", "prepare_data_dir"]

_KEY_FILE, _SECRET_FILE, _WEBHOOK_SECRET_FILE = "api-key", "secret-key", "webhook-secret"


@dataclass(frozen=True, slots=True)
class Start:
    """What whoever starts the service should be told."""

    new_key: str | None  # the first key, if it was made just now
    is_sandbox: bool  # there is no relay but the sandbox's


def bootstrap(settings: Settings) -> Start:
    """Make the service ready to start; safe to call from many processes at once.

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
            app_id = first_app(connection, database.now())
            _keep_key(connection, app_id, key, database.now())
            is_sandbox = _manage_relay(connection, settings, vault, app_id, database.now())
            _manage_webhook(connection, settings, vault, app_id, database.now())
    except (SQLAlchemyError, OSError) as error:
        raise BadSetting(
            f"The database of MAILSVC_DATABASE_URL can't be used: {explain(error, settings.database)}."
        ) from error
    finally:
        database.close()
    return Start(key if is_new else None, is_sandbox)


def prepare_data_dir(settings: Settings) -> None:
    """Make the data directory, for its owner alone."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (settings.data_dir / "journal").mkdir(mode=0o700, exist_ok=True)
        settings.data_dir.chmod(0o700)
    except OSError as error:
        raise BadSetting(f"MAILSVC_DATA_DIR {settings.data_dir} can't be used: {error.strerror}.") from error


def open_vault(settings: Settings) -> Vault:
    """The vault with the keys of the settings, else with the one in the data directory (made if missing)."""
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
        return kept_secret(path, lambda: "mk_" + secrets.token_urlsafe(32))
    keep_secret(path, settings.api_key)
    return settings.api_key, False


def first_app(connection: Connection, now: int) -> str:
    """The id of the app that the first start makes; made now if it is missing."""
    found = connection.execute(select(app.c.id).order_by(app.c.id).limit(1)).scalar()
    if found is not None:
        return str(found)
    id_ = new_id("app")
    connection.execute(insert(app).values(id=id_, name="default", created_at=now, updated_at=now))
    return id_


def _keep_key(connection: Connection, app_id: str, key: str, now: int) -> None:
    digest = digest_of(key)
    if connection.execute(select(api_key.c.id).where(api_key.c.digest == digest)).first() is None:
        values = {
            "name": "first",
            "scopes": '["send","read","admin"]',
            "networks": "[]",
            "created_at": now,
            "updated_at": now,
        }
        connection.execute(insert(api_key).values(id=new_id("key"), app_id=app_id, digest=digest, **values))


def _manage_relay(connection: Connection, settings: Settings, vault: Vault, app_id: str, now: int) -> bool:
    """The relay of MAILSVC_RELAY_URL; without any relay, the sandbox's, which its server completes when it listens.

    Returns whether there is only the sandbox's.
    """
    if settings.relay_url is not None:
        wanted = NewRelay(
            **{
                "name": "default",
                "default": True,
                **parse_relay_url(settings.relay_url),
            }
        )
        try:
            validate_relay(wanted, allow_plaintext=settings.allow_plaintext)
        except Invalid as problem:
            raise BadSetting(f"MAILSVC_RELAY_URL can't be used: {problem.detail}.") from problem
        _upsert_relay(connection, relay_values(wanted, vault), app_id, now)
    return _manage_sandbox(connection, vault, app_id, now)


def _manage_sandbox(connection: Connection, vault: Vault, app_id: str, now: int) -> bool:
    """Have the sandbox's relay in use while there is no other, or while something waits for it that began there."""
    of_app = connection.execute(select(relay).where(relay.c.app_id == app_id)).all()
    sandbox = next((row for row in of_app if is_sandbox(row)), None)
    is_alone = all(row is sandbox for row in of_app)
    if sandbox is not None:
        is_wanted = is_alone or _waits_for(connection, sandbox.id)
        if is_wanted is not bool(sandbox.enabled):
            values = {"enabled": is_wanted, "updated_at": now}
            connection.execute(update(relay).where(relay.c.id == sandbox.id).values(values))
    elif is_alone:
        placeholder = NewRelay(name=SANDBOX, host="127.0.0.1", port=1, default=False)
        _upsert_relay(connection, relay_values(placeholder, vault), app_id, now)
    return is_alone


def _waits_for(connection: Connection, relay_id: str) -> bool:
    waiting = select(delivery.c.id).where(delivery.c.relay_id == relay_id, delivery.c.due_at.is_not(None))
    return connection.execute(waiting.limit(1)).first() is not None


def _upsert_relay(connection: Connection, values: dict[str, Any], app_id: str, now: int) -> None:
    if values["is_default"]:
        connection.execute(update(relay).where(relay.c.app_id == app_id).values(is_default=False))
    found = connection.execute(select(relay).where(relay.c.app_id == app_id, relay.c.name == values["name"])).first()
    if found is None:
        connection.execute(
            insert(relay).values(
                id=new_id("rly"),
                app_id=app_id,
                managed=True,
                paused=False,
                created_at=now,
                updated_at=now,
                **values,
            )
        )
    else:
        # What was wrong with it may be right with the new settings: forget its failures.
        connection.execute(
            update(relay)
            .where(relay.c.id == found.id)
            .values(managed=True, updated_at=now, failures=0, retry_at=None, **values)
        )


def _manage_webhook(connection: Connection, settings: Settings, vault: Vault, app_id: str, now: int) -> None:
    if settings.webhook_url is None:
        return
    found = connection.execute(select(webhook).where(webhook.c.app_id == app_id, webhook.c.managed)).first()
    secret = settings.webhook_secret
    # Whoever verifies the posts must be able to read it.
    kept = settings.data_dir / _WEBHOOK_SECRET_FILE
    if secret is None and found is None:
        secret = kept_secret(kept, new_secret)[0]
    elif secret is None and found is not None:
        with contextlib.suppress(VaultError):
            keep_secret(kept, vault.decrypt(found.secret))  # it may have been rotated
    values = managed_webhook_values(settings.webhook_url, secret, settings.targets, vault)
    values["events"] = compact(["*"])
    if found is None:
        connection.execute(
            insert(webhook).values(
                id=new_id("whk"),
                app_id=app_id,
                managed=True,
                created_at=now,
                updated_at=now,
                **values,
            )
        )
    elif (found.url, found.events, bool(found.enabled)) != (values["url"], values["events"], True) or not _has_secret(
        found, settings.webhook_secret, vault
    ):
        connection.execute(update(webhook).where(webhook.c.id == found.id).values(updated_at=now, **values))


def _has_secret(row: Any, wanted: str | None, vault: Vault) -> bool:
    try:
        return wanted is None or vault.decrypt(row.secret) == wanted
    except VaultError:
        return False


def write_sandbox(connection: Connection, wanted: NewRelay, vault: Vault, now: int) -> None:
    """Let the sandbox's relay row point to where its server listens now."""
    values = relay_values(wanted, vault)
    row = connection.execute(select(relay).where(IS_SANDBOX).order_by(relay.c.id).limit(1)).first()
    if row is not None:
        values.pop("is_default")
        connection.execute(
            update(relay).where(relay.c.id == row.id).values(updated_at=now, failures=0, retry_at=None, **values)
        )
