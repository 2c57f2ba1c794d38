"""The mailboxes of an app: list, create, change, delete, pause and resume.

Only this package writes the table: ``mailbox_state`` stores what the reader finds.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, or_, select, update

from mailsvc.apps.apps import lock_app
from mailsvc.apps.mailbox_form import NewMailbox, check_mailbox, check_unchanged
from mailsvc.apps.mailbox_row import is_sandbox_mailbox, mailbox_form, mailbox_values
from mailsvc.apps.oauth_tokens import allow_renewal, forget_tokens
from mailsvc.domain.errors import Conflict, FieldError, Invalid, NotFound
from mailsvc.domain.ids import new_id
from mailsvc.domain.targets import TargetPolicy
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import mailbox, mailbox_cursor, mailbox_task, mailbox_uid
from mailsvc.store.newest_first import newest_first
from mailsvc.store.tables import relay
from mailsvc.store.vault import Vault

__all__ = [
    "MailboxRules",
    "add_mailbox",
    "address_of_mailbox",
    "create_mailbox",
    "delete_mailbox",
    "get_mailbox",
    "list_mailboxes",
    "mailbox_ids",
    "pause_mailbox",
    "put_managed_mailboxes",
    "remove_mailbox",
    "resume_mailbox",
    "retry_mailbox",
    "update_mailbox",
]

# Failures with the old settings don't count for the new ones.
_TRY_NOW = {"failures": 0, "failing_since": None, "retry_at": None}


@dataclass(frozen=True, slots=True)
class MailboxRules:
    """The rules that the settings set for the mailboxes of an app."""

    allow_plaintext: bool
    targets: TargetPolicy


def list_mailboxes(
    database: Database, app_id: str, *, names: Sequence[str] = (), before: str | None = None, limit: int
) -> Sequence[Any]:
    """Return mailboxes of the app, newest first, with an id below ``before`` and, if ``names`` are given, one of them."""
    wanted = select(mailbox).where(mailbox.c.app_id == app_id)
    if names:
        wanted = wanted.where(mailbox.c.name.in_(names))
    with database.read() as connection:
        return connection.execute(newest_first(wanted, mailbox.c.id, before=before, limit=limit)).all()


def mailbox_ids(database: Database, app_id: str, names_or_ids: Sequence[str]) -> list[str]:
    """Return the ids of mailboxes that are named by their name or id; ids of deleted mailboxes stay as they are."""
    if not names_or_ids:
        return []
    own = (mailbox.c.app_id == app_id) & mailbox.c.name.in_(names_or_ids)
    with database.read() as connection:
        return [*names_or_ids, *connection.execute(select(mailbox.c.id).where(own)).scalars()]


def address_of_mailbox(database: Database, app_id: str, name_or_id: str, *, domain: str) -> str | None:
    """Return the address of the mailbox with this name or id: its user name, which may lack the domain."""
    own = (mailbox.c.app_id == app_id) & or_(mailbox.c.name == name_or_id, mailbox.c.id == name_or_id)
    with database.read() as connection:
        config = connection.execute(select(mailbox.c.config).where(own)).scalar()
    if config is None:
        return None
    username = str(json.loads(config).get("username") or "")
    return username if "@" in username else f"{username}@{domain}"


def get_mailbox(database: Database, app_id: str, id_: str) -> Any:
    """Return one mailbox. Raises NotFound."""
    with database.read() as connection:
        return _find(connection, app_id, id_)


def create_mailbox(database: Database, app_id: str, wanted: NewMailbox, *, vault: Vault, rules: MailboxRules) -> Any:
    """Create a mailbox, which is read from now on.

    Raises:
        Invalid: the app may not have such a mailbox.
        Conflict: its name is taken.
    """
    check_mailbox(wanted, allow_plaintext=rules.allow_plaintext, targets=rules.targets)
    with database.write() as connection:
        lock_app(connection, app_id)
        _check_free(connection, app_id, wanted)
        values = {"app_id": app_id, "managed": False, **mailbox_values(wanted, vault)}
        return add_mailbox(connection, values, database.now())


def update_mailbox(
    database: Database,
    app_id: str,
    id_: str,
    edit: Callable[[Any], NewMailbox | None],
    *,
    vault: Vault,
    rules: MailboxRules,
) -> Any:
    """Change a mailbox to what ``edit`` makes of its row; None changes nothing. Its session ends, and a new one begins.

    Raises:
        NotFound: the app has no such mailbox.
        Invalid: the app may not have such a mailbox, or it would be another one.
        Conflict: its name is taken.
    """
    with database.write() as connection:
        lock_app(connection, app_id)
        before = _find(connection, app_id, id_)
        wanted = edit(before)
        if wanted is None:
            return before
        known = mailbox_form(before, vault)
        check_unchanged(known, wanted)
        check_mailbox(wanted, allow_plaintext=rules.allow_plaintext, targets=rules.targets)
        _check_free(connection, app_id, wanted, except_for=id_)
        if known.oauth != wanted.oauth:
            forget_tokens(connection, id_)
        return _change(connection, id_, mailbox_values(wanted, vault) | _TRY_NOW, database.now())


def delete_mailbox(database: Database, app_id: str, id_: str) -> None:
    """Stop reading the mailbox for good. Nothing on the server is touched; arrivals and events stay. Raises NotFound."""
    with database.write() as connection:
        _find(connection, app_id, id_)
        forget_tokens(connection, id_)
        remove_mailbox(connection, id_)


def pause_mailbox(database: Database, app_id: str, id_: str, *, reason: str | None) -> Any:
    """Stop reading the mailbox until it is resumed, even after a restart; its cursor stays. Raises NotFound."""
    with database.write() as connection:
        before = _find(connection, app_id, id_)
        values = {"paused": True, "pause_reason": reason or before.pause_reason}
        return _change(connection, id_, values, database.now())


def resume_mailbox(database: Database, app_id: str, id_: str) -> Any:
    """Read the mailbox again now, whether it was paused or waits after an error. Raises NotFound."""
    with database.write() as connection:
        _find(connection, app_id, id_)
        allow_renewal(connection, id_)
        return _change(connection, id_, {"paused": False, "pause_reason": None, **_TRY_NOW}, database.now())


def retry_mailbox(database: Database, id_: str) -> None:
    """End the wait after an error: the next session starts at once."""
    with database.write() as connection:
        retry = update(mailbox).where(mailbox.c.id == id_).values(retry_at=None, updated_at=database.now())
        connection.execute(retry)


def add_mailbox(connection: Connection, values: dict[str, Any], now: int) -> Any:
    """Create the mailbox with these columns, and return its row."""
    row = {"id": new_id("mbx"), "paused": False, "created_at": now, "updated_at": now, **values}
    made = connection.execute(insert(mailbox).values(**row).returning(mailbox)).one()
    connection.execute(insert(mailbox_cursor).values(mailbox_id=made.id, lease_token=0))
    return made


def remove_mailbox(connection: Connection, id_: str) -> None:
    """Delete the mailbox and what the reader remembers of it."""
    for table in (mailbox_task, mailbox_uid, mailbox_cursor):
        connection.execute(delete(table).where(table.c.mailbox_id == id_))
    connection.execute(delete(mailbox).where(mailbox.c.id == id_))


def put_managed_mailboxes(
    connection: Connection, app_id: str, wanted: Collection[NewMailbox], vault: Vault, *, now: int
) -> None:
    """Make the app's managed mailboxes those of the settings; disable the ones that these no longer name.

    Raises:
        Conflict: a mailbox of this name, which is another account, exists already.
    """
    managed = select(mailbox).where(mailbox.c.app_id == app_id)
    before = {row.name: row for row in connection.execute(managed)}
    for form in wanted:
        _put(connection, app_id, before.pop(form.name, None), form, vault, now)
    for row in before.values():
        if row.managed and row.enabled and not is_sandbox_mailbox(row):
            _change(connection, row.id, {"enabled": False}, now)


def _put(connection: Connection, app_id: str, before: Any, form: NewMailbox, vault: Vault, now: int) -> None:
    if before is None:
        add_mailbox(connection, {"app_id": app_id, **mailbox_values(form, vault), "managed": True}, now)
        return
    try:
        known = mailbox_form(before, vault)
        if form.password is None and known.oauth is not None:  # a URL has no room for it
            form = msgspec.structs.replace(form, oauth=known.oauth, enabled=True)
        check_unchanged(known, form)
    except Invalid as error:
        raise Conflict(f"there is another mailbox named {form.name!r} (its {error.errors[0].field} differs)") from error
    if known != form or not before.managed:
        _change(connection, before.id, {**mailbox_values(form, vault), "managed": True, **_TRY_NOW}, now)


def _find(connection: Connection, app_id: str, id_: str) -> Any:
    row = connection.execute(select(mailbox).where(mailbox.c.id == id_, mailbox.c.app_id == app_id)).first()
    if row is None:
        raise NotFound(f"there is no mailbox {id_[:100]!r}")
    return row


def _check_free(connection: Connection, app_id: str, wanted: NewMailbox, *, except_for: str | None = None) -> None:
    """Check that no other mailbox has this name, and that the relay exists."""
    others = mailbox.c.app_id == app_id
    if except_for is not None:
        others &= mailbox.c.id != except_for
    if connection.execute(select(mailbox.c.id).where(others, mailbox.c.name == wanted.name)).first():
        raise Conflict(f"there is already a mailbox named {wanted.name!r}")
    named = or_(relay.c.id == wanted.relay, relay.c.name == wanted.relay)
    if wanted.relay and not connection.execute(select(relay.c.id).where(relay.c.app_id == app_id, named)).first():
        raise Invalid(FieldError("relay", "is not the name or id of a relay"))


def _change(connection: Connection, id_: str, values: dict[str, Any], now: int) -> Any:
    statement = update(mailbox).where(mailbox.c.id == id_).values(**values, updated_at=now).returning(mailbox)
    return connection.execute(statement).one()
