"""The sandbox's mailbox: managed by the service, and there while the sandbox's relay is in use."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from mailsvc import clock
from mailsvc.apps.mailbox_form import NewMailbox
from mailsvc.apps.mailbox_row import is_sandbox_mailbox, mailbox_form, mailbox_values
from mailsvc.apps.mailboxes import add_mailbox, remove_mailbox
from mailsvc.domain.relay import SANDBOX, SANDBOX_HOST
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import mailbox
from mailsvc.store.vault import Vault
from mailsvc.telemetry import log

__all__ = ["find_sandbox_mailbox", "keep_sandbox_mailbox", "sandbox_mailbox_form", "set_mailbox_address"]

PATIENCE = 10 * clock.SECOND


def sandbox_mailbox_form(*, port: int, password: str, ca_pem: str | None) -> NewMailbox:
    """Return the mailbox with this address. All that is in it is read, because nobody else puts anything there."""
    return NewMailbox(
        name=SANDBOX, host=SANDBOX_HOST, port=port, username=SANDBOX, password=password, ca_pem=ca_pem, first_read="all"
    )


def find_sandbox_mailbox(connection: Connection) -> Any:
    """Return the row of the sandbox's mailbox, if there is one."""
    rows = connection.execute(
        select(mailbox).where(mailbox.c.managed, mailbox.c.name == SANDBOX).order_by(mailbox.c.id)
    )
    return next((row for row in rows if is_sandbox_mailbox(row)), None)


def keep_sandbox_mailbox(
    connection: Connection, app_id: str, vault: Vault, *, is_used: bool, is_open: bool, now: int
) -> None:
    """Have the mailbox there while the sandbox's relay is used. Its arrivals stay when it goes.

    Args:
        is_open: its server runs already, in another process. Otherwise the reader waits a moment for its address.
    """
    row = _named(connection, app_id)
    if row is not None and not is_sandbox_mailbox(row):
        if is_used:
            log.warning("there is another mailbox named sandbox, so mails from the sandbox are not read")
        return
    if not is_used:
        if row is not None:
            remove_mailbox(connection, row.id)
        return
    if row is None:
        # The port is unknown until the server listens: see set_mailbox_address.
        placeholder = sandbox_mailbox_form(port=1, password=SANDBOX, ca_pem=None)
        row = add_mailbox(connection, {"app_id": app_id, "managed": True, **mailbox_values(placeholder, vault)}, now)
    if not is_open:
        wait = {"enabled": True, "retry_at": now + PATIENCE, "updated_at": now}
        connection.execute(update(mailbox).where(mailbox.c.id == row.id).values(**wait))


def set_mailbox_address(database: Database, wanted: NewMailbox, vault: Vault) -> None:
    """Set the sandbox's mailbox to the address on which its server listens, and have it read at once.

    What the user set stays.
    """
    with database.write() as connection:
        row = find_sandbox_mailbox(connection)
        if row is None:
            return
        form = _readable_form(row, vault) or wanted
        address = {field: getattr(wanted, field) for field in ("port", "password", "ca_pem")}
        values = mailbox_values(msgspec.structs.replace(form, **address), vault) | {
            "failures": 0,
            "failing_since": None,
            "retry_at": None,
        }
        connection.execute(update(mailbox).where(mailbox.c.id == row.id).values(**values, updated_at=database.now()))


def _readable_form(row: Any, vault: Vault) -> NewMailbox | None:
    try:
        return mailbox_form(row, vault)
    except (ValueError, msgspec.MsgspecError):
        return None  # the row is damaged: it begins anew


def _named(connection: Connection, app_id: str) -> Any:
    found = select(mailbox).where(mailbox.c.app_id == app_id, mailbox.c.name == SANDBOX)
    return connection.execute(found).first()
