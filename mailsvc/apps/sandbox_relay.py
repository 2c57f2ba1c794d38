"""The sandbox's relay: managed by the service, and used while an app has no other relay."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from mailsvc.apps.relay_form import NewRelay
from mailsvc.apps.relay_row import relay_form, relay_values
from mailsvc.apps.relays import put_managed_relay
from mailsvc.domain.relay import SANDBOX, SANDBOX_HOST
from mailsvc.store.database import Database
from mailsvc.store.tables import delivery, relay
from mailsvc.store.vault import Vault, VaultError

__all__ = [
    "IS_SANDBOX",
    "is_sandbox",
    "is_sandbox_enabled",
    "is_sandbox_used",
    "keep_sandbox_relay",
    "set_sandbox_address",
]

IS_SANDBOX = relay.c.managed & (relay.c.name == SANDBOX)


def is_sandbox(row: Any) -> bool:
    """Whether a relay's row is the sandbox's; ``IS_SANDBOX`` is the same condition in SQL."""
    return bool(row.managed) and row.name == SANDBOX


def is_sandbox_used(database: Database) -> bool:
    """Whether the sandbox's relay needs a server."""
    with database.read() as connection:
        return connection.execute(select(relay.c.id).where(IS_SANDBOX, relay.c.enabled)).first() is not None


def is_sandbox_enabled(connection: Connection, app_id: str) -> bool:
    """Whether the app's sandbox relay may be used."""
    used = select(relay.c.id).where(IS_SANDBOX, relay.c.enabled, relay.c.app_id == app_id)
    return connection.execute(used).first() is not None


def keep_sandbox_relay(connection: Connection, app_id: str, vault: Vault, *, now: int) -> bool:
    """Keep the sandbox's relay enabled while the app has no other relay, or while deliveries wait for it.

    Returns whether the app has no other relay.
    """
    of_app = connection.execute(select(relay).where(relay.c.app_id == app_id)).all()
    sandbox = next((row for row in of_app if is_sandbox(row)), None)
    is_alone = all(row is sandbox for row in of_app)
    if sandbox is not None:
        is_wanted = is_alone or _has_waiting(connection, sandbox.id)
        if is_wanted is not bool(sandbox.enabled):
            values = {"enabled": is_wanted, "updated_at": now}
            connection.execute(update(relay).where(relay.c.id == sandbox.id).values(values))
    elif is_alone:
        # The port is unknown until the server listens: see set_sandbox_address.
        placeholder = NewRelay(name=SANDBOX, host=SANDBOX_HOST, port=1, unsubscribe_mailbox=SANDBOX, default=False)
        put_managed_relay(connection, app_id, placeholder, vault, now=now)
    return is_alone


def set_sandbox_address(database: Database, wanted: NewRelay, vault: Vault) -> None:
    """Set the sandbox's relay to the address on which its server listens; what the user set stays."""
    with database.write() as connection:
        row = connection.execute(select(relay).where(IS_SANDBOX).order_by(relay.c.id).limit(1)).first()
        if row is None:
            return
        form = _readable_form(row, vault) or wanted
        address = {field: getattr(wanted, field) for field in ("host", "port", "username", "password", "ca_pem")}
        values = relay_values(msgspec.structs.replace(form, **address), vault) | {
            "failures": 0,
            "retry_at": None,
            "updated_at": database.now(),
        }
        values.pop("is_default")
        connection.execute(update(relay).where(relay.c.id == row.id).values(**values))


def _readable_form(row: Any, vault: Vault) -> NewRelay | None:
    try:
        return relay_form(row, vault)
    except (VaultError, ValueError, msgspec.MsgspecError):
        return None  # the row is damaged, or its key is gone: it begins anew


def _has_waiting(connection: Connection, relay_id: str) -> bool:
    waiting = select(delivery.c.id).where(delivery.c.relay_id == relay_id, delivery.c.due_at.is_not(None))
    return connection.execute(waiting.limit(1)).first() is not None
