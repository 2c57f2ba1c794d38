"""The relays of an app: list, create, change, delete, pause and resume.

Changes to one app's relays are serialized, because names and the default concern all of them. Only this package writes
the table: ``relay_state`` stores the findings of deliveries; see also ``sandbox_relay``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from mailsvc.apps.apps import lock_app
from mailsvc.apps.oauth_accounts import oauth_in
from mailsvc.apps.oauth_tokens import allow_renewal, forget_tokens
from mailsvc.apps.relay_form import NewRelay, RelayRules, check_relay
from mailsvc.apps.relay_row import relay_form, relay_values
from mailsvc.apps.relay_state import append_relay_event
from mailsvc.domain.errors import Conflict, NotFound
from mailsvc.domain.ids import new_id
from mailsvc.domain.lifecycle import Status
from mailsvc.store.database import Database
from mailsvc.store.newest_first import newest_first
from mailsvc.store.tables import delivery, relay
from mailsvc.store.vault import Vault, VaultError

__all__ = [
    "create_relay",
    "delete_relay",
    "get_relay",
    "list_relays",
    "pause_relay",
    "put_managed_relay",
    "resume_relay",
    "update_relay",
]

# Failures with the old settings don't count for the new ones.
_NO_FAILURES = {"failures": 0, "retry_at": None, "last_smtp": None, "learnt": None}


def list_relays(
    database: Database, app_id: str, *, names: Sequence[str] = (), before: str | None = None, limit: int
) -> Sequence[Any]:
    """Return relays of the app, newest first, with an id below ``before`` and, if ``names`` are given, one of them."""
    wanted = select(relay).where(relay.c.app_id == app_id)
    if names:
        wanted = wanted.where(relay.c.name.in_(names))
    with database.read() as connection:
        return connection.execute(newest_first(wanted, relay.c.id, before=before, limit=limit)).all()


def get_relay(database: Database, app_id: str, id_: str) -> Any:
    """Return one relay. Raises NotFound."""
    with database.read() as connection:
        return _find(connection, app_id, id_)


def create_relay(database: Database, app_id: str, wanted: NewRelay, *, vault: Vault, rules: RelayRules) -> Any:
    """Create a relay. With ``default``, it becomes the app's default.

    Raises:
        Invalid: the app may not have such a relay.
        Conflict: its name is taken.
    """
    check_relay(wanted, rules)
    with database.write() as connection:
        now = database.now()
        lock_app(connection, app_id)
        _make_room(connection, app_id, wanted, now)
        values = {"app_id": app_id, "managed": False, **relay_values(wanted, vault)}
        return _insert(connection, values, now)


def update_relay(
    database: Database,
    app_id: str,
    id_: str,
    edit: Callable[[Any], NewRelay | None],
    *,
    vault: Vault,
    rules: RelayRules,
) -> Any:
    """Change a relay to the form that ``edit`` returns for its row, and forget its failures.

    Args:
        edit: returns the complete new form, or None to change nothing.

    Raises:
        NotFound, Invalid, Conflict: as for ``get_relay`` and ``create_relay``.
    """
    with database.write() as connection:
        now = database.now()
        lock_app(connection, app_id)
        before = _find(connection, app_id, id_)
        wanted = edit(before)
        if wanted is None:
            return before
        check_relay(wanted, rules)
        _make_room(connection, app_id, wanted, now, except_for=id_)
        _drop_other_tokens(connection, before, wanted, vault)
        row = _change(connection, id_, relay_values(wanted, vault) | _NO_FAILURES, now)
        if before.retry_at is not None and not before.paused:
            append_relay_event(connection, row, "relay.resumed", "its settings were changed", now=now)
    return row


def delete_relay(database: Database, app_id: str, id_: str) -> None:
    """Delete a relay.

    Raises:
        NotFound: the app has no such relay.
        Conflict: deliveries wait for it.
    """
    with database.write() as connection:
        lock_app(connection, app_id)
        row = _find(connection, app_id, id_)
        if waiting := _count_waiting(connection, id_):
            what = "1 delivery waits" if waiting == 1 else f"{waiting} deliveries wait"
            raise Conflict(f"{what} for the relay {row.name!r}: let them finish or cancel them first")
        connection.execute(delete(relay).where(relay.c.id == id_))
        forget_tokens(connection, id_)


def pause_relay(database: Database, app_id: str, id_: str, *, reason: str | None) -> Any:
    """Stop using the relay until it is resumed, even after a restart; its messages wait. Raises NotFound."""
    with database.write() as connection:
        now = database.now()
        lock_app(connection, app_id)
        before = _find(connection, app_id, id_)
        values = {"paused": True, "pause_reason": reason or before.pause_reason}
        row = _change(connection, id_, values, now)
        if not before.paused:
            append_relay_event(connection, row, "relay.paused", row.pause_reason or "paused by hand", now=now)
    return row


def resume_relay(database: Database, app_id: str, id_: str) -> Any:
    """Use the relay again now, whether it was paused by hand or is backing off. Raises NotFound."""
    with database.write() as connection:
        now = database.now()
        lock_app(connection, app_id)
        before = _find(connection, app_id, id_)
        row = _change(connection, id_, {"paused": False, "pause_reason": None, **_NO_FAILURES}, now)
        allow_renewal(connection, id_)
        if before.paused or before.retry_at is not None:
            append_relay_event(connection, row, "relay.resumed", "resumed by hand", now=now)
    return row


def put_managed_relay(connection: Connection, app_id: str, wanted: NewRelay, vault: Vault, *, now: int) -> None:
    """Create the relay from the settings, or change the app's relay of that name to it.

    What the settings can't say stays: a manual pause, and the account's grant, to which a person consented.
    """
    own = relay.c.app_id == app_id
    if wanted.default:
        connection.execute(update(relay).where(own).values(is_default=False))
    found = connection.execute(select(relay).where(own, relay.c.name == wanted.name)).first()
    if found is None:
        _insert(connection, {"app_id": app_id, "managed": True, **relay_values(wanted, vault)}, now)
        return
    wanted = _with_stored_grant(found, wanted, vault)
    values = {"failures": 0, "retry_at": None, "managed": True, **relay_values(wanted, vault)}
    _change(connection, found.id, values, now)
    _drop_other_tokens(connection, found, wanted, vault)


def _find(connection: Connection, app_id: str, id_: str) -> Any:
    row = connection.execute(select(relay).where(relay.c.id == id_, relay.c.app_id == app_id)).first()
    if row is None:
        raise NotFound(f"there is no relay {id_[:100]!r}")
    return row


def _make_room(
    connection: Connection, app_id: str, wanted: NewRelay, now: int, *, except_for: str | None = None
) -> None:
    """Check that no other relay has this name; remove the others' default flag if this one is the default."""
    others = relay.c.app_id == app_id
    if except_for is not None:
        others &= relay.c.id != except_for
    if connection.execute(select(relay.c.id).where(others, relay.c.name == wanted.name)).first():
        raise Conflict(f"there is already a relay named {wanted.name!r}")
    if wanted.default:
        connection.execute(update(relay).where(others, relay.c.is_default).values(is_default=False, updated_at=now))


def _with_stored_grant(row: Any, wanted: NewRelay, vault: Vault) -> NewRelay:
    if wanted.password is not None or wanted.oauth is not None:
        return wanted
    try:
        before = relay_form(row, vault)
    except VaultError:
        return wanted
    is_same_account = before.host == wanted.host and wanted.username in (None, before.username)
    if before.oauth is None or not is_same_account:
        return wanted
    return msgspec.structs.replace(wanted, username=before.username, oauth=before.oauth)


def _drop_other_tokens(connection: Connection, before: Any, wanted: NewRelay, vault: Vault) -> None:
    """Drop the tokens of another grant, and keep those of the same: its refresh token may have been rotated since."""
    try:
        is_same = oauth_in(before, vault) == wanted.oauth
    except VaultError:
        is_same = False
    if not is_same:
        forget_tokens(connection, before.id)


def _insert(connection: Connection, values: dict[str, Any], now: int) -> Any:
    row = {"id": new_id("rly"), "paused": False, "created_at": now, "updated_at": now, **values}
    return connection.execute(insert(relay).values(**row).returning(relay)).one()


def _change(connection: Connection, id_: str, values: dict[str, Any], now: int) -> Any:
    statement = update(relay).where(relay.c.id == id_).values(**values, updated_at=now).returning(relay)
    return connection.execute(statement).one()


def _count_waiting(connection: Connection, id_: str) -> int:
    own = delivery.c.relay_id == id_
    # Two counts, because each has an index over unfinished rows; a condition with OR would use neither.
    queued = select(func.count()).where(own, delivery.c.due_at.is_not(None))
    held = select(func.count()).where(
        own, delivery.c.status == Status.HELD.value, delivery.c.due_at.is_(None), delivery.c.expires_at.is_not(None)
    )
    return sum(connection.execute(count).scalar_one() for count in (queued, held))
