"""The objects of an app, without the API: what every caller of these functions may rely on, on both databases."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from mailsvc import clock
from mailsvc.apps import keys, relay_state, relays, sandbox_relay, suppressions, webhooks
from mailsvc.apps.apps import ensure_first_app, find_app
from mailsvc.apps.key_form import NewKey
from mailsvc.apps.relay_form import NewRelay, RelayRules
from mailsvc.apps.relay_row import relay_form
from mailsvc.apps.suppression_form import NewSuppression
from mailsvc.apps.webhook_form import NewWebhook
from mailsvc.domain.errors import Conflict, Invalid, NotFound
from mailsvc.store.database import Database
from mailsvc.store.tables import event, webhook
from mailsvc.store.vault import Vault

VAULT, RULES = Vault("k" * 40), RelayRules(allow_plaintext=False, targets="any")
FAILURE = {"failures": 1, "last_error": "connect: refused", "last_smtp": "{}"}


@pytest.fixture
def app_id(database: Database) -> str:
    with database.write() as connection:
        return ensure_first_app(connection, now=database.now())


@pytest.fixture
def acme(database: Database, app_id: str) -> Any:
    """A relay."""
    wanted = NewRelay(name="acme", host="smtp.acme.test")
    return relays.create_relay(database, app_id, wanted, vault=VAULT, rules=RULES)


@pytest.fixture
def hook(database: Database, app_id: str) -> Any:
    """A webhook that gets no events of its own."""
    wanted = NewWebhook(url="https://app.test/hook", events=["message.sent"])
    return webhooks.create_webhook(database, app_id, wanted, vault=VAULT, targets="any")[0]


def events(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.read() as connection:
        bodies = connection.execute(select(event.c.body).order_by(event.c.position)).scalars()
        return [(body["type"], body["data"]) for body in map(json.loads, bodies)]


def revoke(database: Database, id_: str) -> None:
    with database.write() as connection:
        keys.revoke_key(connection, id_)


class TestRelays:
    def test_events_about_a_relay_have_one_shape(self, database: Database, app_id: str, acme: Any) -> None:
        """Whether a delivery or a person caused them."""
        retry_at = database.now() + clock.MINUTE
        relay_state.mark_backing_off(database, acme.id, retry_at=retry_at, **FAILURE)  # type: ignore[arg-type]
        relay_state.mark_working(database, acme.id)
        relays.pause_relay(database, app_id, acme.id, reason=None)

        about = {"relay_id": acme.id, "name": "acme"}
        assert events(database) == [
            ("relay.paused", about | {"reason": "connect: refused", "retry_at": clock.rfc3339(retry_at)}),
            ("relay.resumed", about | {"reason": "it works again", "retry_at": None}),
            ("relay.paused", about | {"reason": "paused by hand", "retry_at": None}),
        ]

    def test_several_processes_find_out_and_one_event_is_emitted(self, database: Database, acme: Any) -> None:
        """Each writes what it knows; only the first one is news."""
        for n in range(3):
            later = database.now() + n * clock.MINUTE
            relay_state.mark_backing_off(database, acme.id, retry_at=later, **FAILURE)  # type: ignore[arg-type]
        for _ in range(2):
            relay_state.mark_working(database, acme.id)

        assert [kind for kind, _ in events(database)] == ["relay.paused", "relay.resumed"]

    def test_notes_about_a_deleted_relay_are_dropped(self, database: Database, app_id: str, acme: Any) -> None:
        """A session may outlive its relay."""
        relays.delete_relay(database, app_id, acme.id)
        relay_state.note_error(database, acme.id, last_error="x", last_smtp="{}")
        relay_state.mark_working(database, acme.id)

        assert events(database) == []

    def test_an_edit_may_leave_the_relay_as_it_is(self, database: Database, app_id: str, acme: Any) -> None:
        """Then neither its row nor its failures change."""
        kept = relays.update_relay(database, app_id, acme.id, lambda _: None, vault=VAULT, rules=RULES)

        assert kept == acme

    def test_a_secret_is_no_placeholder(self, database: Database, app_id: str) -> None:
        """What the API shows in place of a secret can't be stored as one."""
        wanted = NewRelay(name="x", host="smtp.acme.test", username="u", password="********")  # noqa: S106
        with pytest.raises(Invalid, match="password: is the placeholder for a stored secret; send the real value"):
            relays.create_relay(database, app_id, wanted, vault=VAULT, rules=RULES)

    def test_the_sandbox_gives_way_to_a_relay(self, database: Database, app_id: str) -> None:
        """It is enabled only while there is no other relay."""
        with database.write() as connection:
            assert sandbox_relay.keep_sandbox_relay(connection, app_id, VAULT, now=1)
        was_used = sandbox_relay.is_sandbox_used(database)
        relays.create_relay(database, app_id, NewRelay(name="r", host="r.test"), vault=VAULT, rules=RULES)
        with database.write() as connection:
            assert not sandbox_relay.keep_sandbox_relay(connection, app_id, VAULT, now=1)

        assert (was_used, sandbox_relay.is_sandbox_used(database)) == (True, False)

    def test_the_sandbox_keeps_what_the_user_set(self, database: Database, app_id: str) -> None:
        """Only the address follows its server; with another key, the row begins anew."""
        address = NewRelay(name="sandbox", host="127.0.0.1", port=2525, username="sandbox", password="s")  # noqa: S106
        with database.write() as connection:
            sandbox_relay.keep_sandbox_relay(connection, app_id, VAULT, now=1)
        (made,) = relays.list_relays(database, app_id, limit=10)

        def edit(_: Any) -> NewRelay:
            return NewRelay(name="sandbox", host="127.0.0.1", port=1, return_path="bounces@app.test", default=False)

        relays.update_relay(database, app_id, made.id, edit, vault=VAULT, rules=RULES)
        sandbox_relay.set_sandbox_address(database, address, VAULT)
        kept = relay_form(relays.get_relay(database, app_id, made.id), VAULT)
        sandbox_relay.set_sandbox_address(database, address, Vault("other" * 10))

        assert (kept.port, kept.password, kept.return_path) == (2525, "s", "bounces@app.test")
        assert relay_form(relays.get_relay(database, app_id, made.id), Vault("other" * 10)).password == "s"  # noqa: S105


class TestKeys:
    def test_the_operator_can_create_keys_of_any_app(self, database: Database, app_id: str) -> None:
        """Of the first one, unless another is named; one that is not there is an error."""
        row, key = keys.create_key(database, NewKey("cli", ["send"]), creator=None)
        with pytest.raises(Invalid, match="there is no app 'nobody'"):
            keys.create_key(database, NewKey("cli", ["send"], app="nobody"), creator=None)

        assert (row.app_id, row.digest) == (app_id, keys.digest_of(key))
        assert keys.find_key(database, keys.digest_of(key)).id == row.id

    def test_the_last_admin_key_can_not_be_revoked(self, database: Database, app_id: str) -> None:
        """A key with fewer scopes can, also where there is no admin key at all."""
        sender, _ = keys.create_key(database, NewKey("sender", ["send"]), creator=app_id)
        revoke(database, sender.id)
        admin, _ = keys.create_key(database, NewKey("admin", ["admin"]), creator=app_id)
        with pytest.raises(Conflict, match=f"{admin.id} is the last key with scope admin; create another one first"):
            revoke(database, admin.id)

    def test_a_key_of_another_app_is_not_found(self, database: Database, app_id: str) -> None:
        """It can't be told from one that was never there."""
        row, _ = keys.create_key(database, NewKey("sender", ["send"]), creator=app_id)
        with pytest.raises(NotFound, match=f"there is no key '{row.id}'"):
            keys.get_key(database, "app_other", row.id)


class TestWebhooks:
    def test_failing_since_is_the_first_failure(self, database: Database, hook: Any) -> None:
        """Later ones leave it; a success ends it."""
        with database.write() as connection:
            for now in (5, 6):
                webhooks.mark_failing(connection, hook.id, now=now)
            failing = connection.execute(select(webhook.c.failing_since)).scalar_one()
            webhooks.mark_working(connection, hook.id)
            working = connection.execute(select(webhook.c.failing_since)).scalar_one()

        assert (failing, working) == (5, None)

    def test_it_is_disabled_once(self, database: Database, hook: Any) -> None:
        """Two workers that find the same endpoint gone emit one event."""
        with database.write() as connection:
            for _ in range(2):
                webhooks.disable_webhook(connection, hook, "it answered 410 Gone", now=7)

        data = {"webhook_id": hook.id, "url": hook.url, "reason": "it answered 410 Gone"}
        assert events(database) == [("webhook.disabled", data)]


def test_an_address_is_suppressed_once(database: Database, app_id: str) -> None:
    """In whatever case it is written; each change has its event."""
    row = suppressions.create_suppression(database, app_id, NewSuppression("Bob@Example.test"))
    with pytest.raises(Conflict):
        suppressions.create_suppression(database, app_id, NewSuppression("bob@example.test"))
    suppressions.delete_suppression(database, app_id, row.id)

    assert [kind for kind, _ in events(database)] == ["suppression.added", "suppression.removed"]


def test_the_first_app_is_created_once(database: Database, app_id: str) -> None:
    """Later starts find it, and commands find it by its name."""
    with database.write() as connection:
        assert ensure_first_app(connection, now=1) == app_id
        assert find_app(connection, "default") == find_app(connection, app_id) == app_id
