"""The relays resource: what applications may do to their submission accounts, and what it means for the queue."""

import json
from io import BytesIO
from typing import Any

import msgspec
import pytest
from sqlalchemy import event as hooks
from sqlalchemy import select, update

from mailsvc.api.relay_objects import RelayCheck, RelayObject
from mailsvc.apps.relay_row import relay_form
from mailsvc.domain.relay import Relay
from mailsvc.store.tables import delivery, event, relay
from mailsvc.store.vault import Vault
from tests.support.api import ApiHarness, Client
from tests.support.messages import writer

ACME = {"name": "acme", "host": "smtp.acme.test", "username": "shop", "password": "s3cret"}
CHECKED = {
    "ok": True,
    "steps": [{"stage": "connect", "ok": True, "detail": "smtp.acme.test:587"}],
    "tls": None,
    "capabilities": ["SIZE 1000"],
    "duration_ms": 1.5,
}


@pytest.fixture
def checked() -> list[Relay]:
    """The relays that a check was asked of."""
    return []


@pytest.fixture
def furnishing(checked: list[Relay]) -> dict[str, Any]:
    def check(wanted: Relay) -> dict[str, Any]:
        checked.append(wanted)
        return CHECKED

    return {"check_relay": check}


@pytest.fixture
def acme(alice: Client) -> dict[str, Any]:
    """Alice's relay, as POST answered it."""
    answer = alice.post("/relays", ACME)
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def row_of(harness: ApiHarness, relay_id: str) -> Any:
    with harness.database.read() as connection:
        return connection.execute(select(relay).where(relay.c.id == relay_id)).one()


def change(harness: ApiHarness, relay_id: str, **values: Any) -> None:
    with harness.database.write() as connection:
        connection.execute(update(relay).where(relay.c.id == relay_id).values(**values))


def told(harness: ApiHarness) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of every event so far."""
    with harness.database.read() as connection:
        bodies = [json.loads(b) for b in connection.execute(select(event.c.body).order_by(event.c.position)).scalars()]
    return [(body["type"], body["data"]) for body in bodies]


def mail(alice: Client) -> None:
    answer = alice.post("/messages", {"from": "a@app.test", "to": "b@example.test", "subject": "x", "text": "x"})
    assert answer.status_code == 202, answer.json


class TestObject:
    def test_the_answer_is_the_documented_object(self, alice: Client, acme: dict[str, Any]) -> None:
        """POST, GET and the declared model show the same members."""
        msgspec.convert(acme, RelayObject, strict=True)

        assert alice.get(f"/relays/{acme['id']}").json == acme

    def test_secrets_are_masked_and_encrypted(self, harness: ApiHarness, acme: dict[str, Any]) -> None:
        """A password is never shown again, neither in an answer nor in the table."""
        row = row_of(harness, acme["id"])

        assert (acme["password"], acme["oauth"]) == ("********", None)
        assert "s3cret" not in json.dumps(acme) + str(row)

    def test_a_token_is_masked_as_oauth(self, alice: Client) -> None:
        """An access token is a secret like a password."""
        token = {"auth": "xoauth2", "username": "shop", "oauth": {"access_token": "t0ken"}}
        shown = alice.post("/relays", {"name": "gm", "host": "smtp.acme.test", **token}).json

        assert (shown["password"], shown["oauth"]) == (None, "********")

    @pytest.mark.parametrize(
        ("given", "password", "oauth"),
        [
            ({"oauth": {"access_token": "t"}}, None, "********"),
            ({"auth": "xoauth2", "password": "t"}, "********", None),
            ({"password": "s", "oauth": {"access_token": "t"}}, "********", "********"),
            ({"oauth": {}}, None, None),
        ],
    )
    def test_each_secret_has_a_mask_of_its_own(
        self, alice: Client, given: dict[str, Any], password: str | None, oauth: str | None
    ) -> None:
        """Null where it is unset, whatever the mechanism; and a shown one can be taken away."""
        made = alice.post("/relays", {"name": "gm", "host": "smtp.acme.test", "username": "shop", **given}).json
        bare = alice.patch(f"/relays/{made['id']}", {"password": None, "oauth": None}).json

        assert (made["password"], made["oauth"]) == (password, oauth)
        assert (bare["password"], bare["oauth"], bare["username"]) == (None, None, "shop")

    def test_a_grant_is_one_secret_of_which_members_can_be_changed(
        self, harness: ApiHarness, alice: Client, acme: dict[str, Any]
    ) -> None:
        """The mask keeps it; a new refresh token replaces that, and nothing else (RFC 7396)."""
        path = f"/relays/{acme['id']}"
        grant = {
            "preset": "microsoft",
            "client_id": "id",
            "client_secret": "s",
            "refresh_token": "r1",
            "tenant": "t.test",
        }
        alice.patch(path, {"oauth": grant, "password": None})
        alice.patch(path, {"oauth": "********", "port": 2525})
        shown = alice.patch(path, {"oauth": {"refresh_token": "r2"}}).json
        form = relay_form(row_of(harness, acme["id"]), harness.services.vault)

        assert (shown["oauth"], shown["password"]) == ("********", None)
        assert msgspec.to_builtins(form.oauth) == {**grant, "refresh_token": "r2"}

    def test_defaults_are_those_of_the_contract(self, acme: dict[str, Any]) -> None:
        """Port 587, STARTTLS and the rest need not be said."""
        shown = {name: acme[name] for name in ("port", "tls", "verify", "max_connections", "auth", "rate", "verp")}

        assert shown == {
            "port": 587, "tls": "starttls", "verify": True, "max_connections": 10, "auth": "auto", "rate": None, "verp": True,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"port": 0}, "port"),
            ({"port": "587"}, "port"),
            ({"hots": "x"}, "hots"),
            ({"tls": "none"}, "tls"),
            ({"host": "a b"}, "host"),
            ({"host": "smtp..acme.test"}, "host"),
            ({"host": "1:2:3"}, "host"),
            ({"host": "10.0.0"}, "host"),
            ({"host": "smtp.acme.test:587"}, "host"),
            ({"rate": "fast"}, "rate"),
            ({"rate": "9" * 309 + "/s"}, "rate"),
            ({"rate": "10001/s"}, "rate"),
            ({"rate": "0.5/d"}, "rate"),
            ({"rate": "inf/s"}, "rate"),
            ({"port": 10**309}, "port"),
            ({"max_connections": 10**309}, "max_connections"),
            ({"max_messages_per_connection": 10**309}, "max_messages_per_connection"),
            ({"max_recipients": 0}, "max_recipients"),
            ({"max_recipients": 1001}, "max_recipients"),
            ({"max_recipients": 10**309}, "max_recipients"),
            ({"pipelining": "on"}, "pipelining"),
            ({"timeouts": {"eom": 10**309}}, "timeouts.eom"),
            ({"timeouts": {"connect": 0}}, "timeouts.connect"),
            ({"password": "********"}, "password"),
            ({"name": "a/b"}, "name"),
            ({"username": None}, "username"),
            ({"username": None, "password": None, "oauth": {"access_token": "t"}}, "username"),
            ({"username": ""}, "username"),
            ({"oauth": {"access_token": "********"}}, "oauth.access_token"),
            ({"oauth": {"preset": "google", "refresh_token": "r"}}, "oauth.client_id"),
            ({"oauth": {"preset": "google", "client_id": "id"}}, "oauth.refresh_token"),
            ({"oauth": {"client_id": "id", "refresh_token": "r"}}, "oauth.token_url"),
            (
                {"oauth": {"token_url": "http://login.acme.test/", "client_id": "i", "refresh_token": "r"}},
                "oauth.token_url",
            ),
            ({"oauth": {"preset": "yahoo"}}, "oauth.preset"),
            ({"oauth": {"grant": "password"}}, "oauth.grant"),
            ({"oauth": {"user": "x"}}, "oauth.user"),
            ({"ca_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "ca_pem"),
            ({"ca_pem": "ä"}, "ca_pem"),
        ],
    )
    def test_a_wrong_field_is_named(self, alice: Client, wrong: dict[str, Any], field: str) -> None:
        """422 says which field is at fault."""
        answer = alice.post("/relays", ACME | wrong)

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)

    def test_plaintext_is_allowed_on_loopback(self, alice: Client) -> None:
        """A relay on this host needs no TLS."""
        answer = alice.post("/relays", {"name": "local", "host": "127.0.0.1", "port": 2525, "tls": "none"})

        assert answer.status_code == 201


class TestList:
    def test_pages_follow_one_another(self, alice: Client) -> None:
        """Newest first; the cursor leads to the rest, and the last page says so."""
        for name in ("one", "two", "three"):
            alice.post("/relays", ACME | {"name": name})
        first = alice.get("/relays?limit=2").json
        rest = alice.get(f"/relays?limit=2&cursor={first['next_cursor']}").json

        assert [r["name"] for r in first["data"]] == ["three", "two"]
        assert ([r["name"] for r in rest["data"]], rest["next_cursor"]) == (["one"], None)

    @pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x", "color=red"])
    def test_a_wrong_argument_is_refused(self, alice: Client, query: str) -> None:
        """A misspelt or impossible argument must not silently list everything."""
        answer = alice.get(f"/relays?{query}")

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, query.partition("=")[0])

    def test_other_apps_see_nothing(self, harness: ApiHarness, acme: dict[str, Any]) -> None:
        """A foreign relay is no relay, whatever is done to it."""
        bob = harness.create_app("bob")
        path = f"/relays/{acme['id']}"
        answers = [bob.get(path), bob.patch(path, {"port": 25}), bob.delete(path)]
        answers += [bob.post(f"{path}/{verb}") for verb in ("check", "pause", "resume")]

        assert {(a.status_code, a.json["code"]) for a in answers} == {(404, "not_found")}
        assert bob.get("/relays").json == {"data": [], "next_cursor": None}

    def test_a_reader_may_only_read(self, harness: ApiHarness, alice: Client, acme: dict[str, Any]) -> None:
        """Credentials are a matter of admin keys."""
        reader = harness.client_of(alice.app_id, "read")
        path = f"/relays/{acme['id']}"
        refused = [
            reader.post("/relays", ACME),
            reader.patch(path, {}),
            reader.delete(path),
            reader.post(path + "/check"),
        ]

        assert {a.json["code"] for a in refused} == {"insufficient_scope"}
        assert reader.get(path).json == acme


class TestNamesAndDefault:
    def test_a_taken_name_is_a_conflict(self, alice: Client, acme: dict[str, Any]) -> None:
        """Names are unique in an app, for new relays and for renamed ones."""
        other = alice.post("/relays", ACME | {"name": "other"}).json
        answers = [alice.post("/relays", ACME), alice.patch(f"/relays/{other['id']}", {"name": "acme"})]

        assert [(a.status_code, a.json["code"]) for a in answers] == [(409, "conflict")] * 2

    def test_another_app_may_use_the_same_name(self, harness: ApiHarness, acme: dict[str, Any]) -> None:
        """Names are unique in an app only."""
        assert harness.create_app("bob").post("/relays", ACME).status_code == 201

    def test_only_one_relay_is_the_default(self, alice: Client, acme: dict[str, Any]) -> None:
        """Who becomes the default takes the flag from the others."""
        other = alice.post("/relays", ACME | {"name": "other", "default": True}).json
        taken = {r["name"]: r["default"] for r in alice.get("/relays").json["data"]}
        alice.patch(f"/relays/{acme['id']}", {"default": True})

        assert taken == {"other": True, "acme": False}
        assert alice.get(f"/relays/{other['id']}").json["default"] is False

    def test_the_defaults_of_other_apps_stay(self, harness: ApiHarness, alice: Client, acme: dict[str, Any]) -> None:
        """One app's default is no matter of another."""
        harness.create_app("bob").post("/relays", ACME)

        assert alice.get(f"/relays/{acme['id']}").json["default"] is True


LETTER = {"from": "a@app.test", "to": "b@example.test", "text": "Hi"}


class TestChoice:
    """By which relay a message goes that names none, and what keeps it out."""

    @pytest.fixture
    def _sandbox(self, harness: ApiHarness, alice: Client) -> None:
        """The sandbox's relay, older than any other."""
        alice.post("/relays", {"name": "sandbox", "host": "127.0.0.1", "default": False})
        with harness.database.write() as connection:
            connection.execute(update(relay).where(relay.c.name == "sandbox").values(managed=True))

    def relay_of(self, alice: Client, **fields: Any) -> str:
        answer = alice.post("/messages", LETTER | fields)
        assert answer.status_code == 202, answer.json
        return str(alice.get(f"/messages/{answer.json['id']}").json["relay"])

    def refusal(self, alice: Client, **fields: Any) -> str:
        answer = alice.post("/messages", LETTER | fields)
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "relay")
        return str(answer.json["errors"][0]["detail"])

    @pytest.mark.usefixtures("_sandbox")
    def test_the_sandbox_is_used_only_without_another_relay(self, alice: Client) -> None:
        assert self.relay_of(alice) == "sandbox"

    @pytest.mark.usefixtures("_sandbox")
    @pytest.mark.parametrize("change", [{"enabled": False}, {"enabled": False, "default": False}])
    def test_mail_never_falls_back_to_the_sandbox(
        self, alice: Client, acme: dict[str, Any], change: dict[str, Any]
    ) -> None:
        """It would be told as sent, and reach nobody."""
        alice.patch(f"/relays/{acme['id']}", change)

        assert "enable" in self.refusal(alice)

    @pytest.mark.usefixtures("_sandbox")
    def test_without_a_default_the_oldest_real_one_is_taken(self, alice: Client, acme: dict[str, Any]) -> None:
        alice.patch(f"/relays/{acme['id']}", {"default": False})

        assert self.relay_of(alice) == "acme"

    def test_a_disabled_relay_takes_no_mail(self, alice: Client, acme: dict[str, Any]) -> None:
        """It would wait there without a word until it expires."""
        alice.post("/relays", ACME | {"name": "other"})
        alice.patch(f"/relays/{acme['id']}", {"enabled": False})

        assert "'acme' is disabled" in self.refusal(alice, relay="acme")
        assert self.relay_of(alice) == "other"

    def test_a_relay_with_an_undecryptable_secret_is_not_used(
        self, harness: ApiHarness, alice: Client, acme: dict[str, Any]
    ) -> None:
        """The others go on."""
        alice.post("/relays", ACME | {"name": "other", "default": False})
        change(harness, acme["id"], secret=Vault("another key").encrypt("{}"))
        harness.services.relays.forget()

        assert "MAILSVC_SECRET_KEY" in self.refusal(alice)
        assert self.relay_of(alice, relay="other") == "other"


class TestPatch:
    def test_only_what_is_given_changes(self, alice: Client, acme: dict[str, Any]) -> None:
        """A merge patch; what was there stays."""
        patched = alice.patch(f"/relays/{acme['id']}", {"port": 2525, "timeouts": {"connect": 5}}).json

        changed = {"port": 2525, "timeouts": acme["timeouts"] | {"connect": 5.0}}
        assert patched == acme | changed | {"updated_at": patched["updated_at"]}
        assert patched["updated_at"] > acme["updated_at"]

    def test_the_response_of_get_is_accepted_by_patch(
        self, harness: ApiHarness, alice: Client, acme: dict[str, Any]
    ) -> None:
        """The mask and read-only members leave things as they are."""
        before = row_of(harness, acme["id"]).secret
        answer = alice.patch(f"/relays/{acme['id']}", acme)

        assert (answer.status_code, answer.json) == (200, acme)
        assert row_of(harness, acme["id"]).secret == before

    def test_the_mask_keeps_the_password(
        self, harness: ApiHarness, alice: Client, checked: list[Relay], acme: dict[str, Any]
    ) -> None:
        """A form that shows the mask can be saved without knowing the secret."""
        alice.patch(f"/relays/{acme['id']}", {"password": "********", "oauth": "********", "port": 25})
        alice.post(f"/relays/{acme['id']}/check")

        assert (checked[0].password, checked[0].port) == ("s3cret", 25)

    def test_null_removes_a_value(self, alice: Client, acme: dict[str, Any]) -> None:
        """null takes a secret away and puts a setting back to its default."""
        alice.patch(f"/relays/{acme['id']}", {"port": 2525})
        patched = alice.patch(f"/relays/{acme['id']}", {"password": None, "port": None}).json

        assert (patched["password"], patched["port"]) == (None, 587)

    @pytest.mark.parametrize(
        ("patch", "field"),
        [({"host": ""}, "host"), ({"hots": "x"}, "hots"), ({"status": "paused"}, "status"), ({"port": 0}, "port")],
    )
    def test_a_wrong_patch_changes_nothing(
        self, alice: Client, acme: dict[str, Any], patch: dict[str, Any], field: str
    ) -> None:
        """A patch is taken whole or not at all."""
        answer = alice.patch(f"/relays/{acme['id']}", patch)

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
        assert alice.get(f"/relays/{acme['id']}").json == acme

    def test_new_settings_close_the_breaker(self, harness: ApiHarness, alice: Client, acme: dict[str, Any]) -> None:
        """What was wrong may be right now: the relay is tried at once, and the application hears of it."""
        change(harness, acme["id"], failures=3, retry_at=harness.database.now() + 10**9, last_error="auth: 535 no")
        before = alice.get(f"/relays/{acme['id']}").json
        after = alice.patch(f"/relays/{acme['id']}", {"password": "right"}).json

        assert (before["status"], before["status_reason"]) == ("backing_off", "auth: 535 no")
        assert (after["status"], after["retry_at"]) == ("active", None)
        assert [kind for kind, _ in told(harness)] == ["relay.resumed"]


class TestDelete:
    def test_an_unused_relay_can_be_deleted(self, alice: Client, acme: dict[str, Any]) -> None:
        """204, and then it is not there."""
        answer = alice.delete(f"/relays/{acme['id']}")

        assert (answer.status_code, answer.data) == (204, b"")
        assert alice.get(f"/relays/{acme['id']}").status_code == 404

    def test_a_relay_with_waiting_mail_cannot_be_deleted(self, alice: Client, acme: dict[str, Any]) -> None:
        """A relay with a queue stays, and the answer says how many wait."""
        mail(alice)
        mail(alice)
        answer = alice.delete(f"/relays/{acme['id']}")

        assert (answer.status_code, answer.json["code"]) == (409, "conflict")
        assert answer.json["detail"].startswith("2 deliveries wait for the relay 'acme'")

    def test_a_relay_with_held_mail_cannot_be_deleted(
        self, harness: ApiHarness, alice: Client, acme: dict[str, Any]
    ) -> None:
        """Held mail is not due, but not finished either."""
        mail(alice)
        with harness.database.write() as connection:
            connection.execute(update(delivery).values(status="held", due_at=None))

        assert alice.delete(f"/relays/{acme['id']}").json["detail"].startswith("1 delivery waits")

    def test_a_relay_with_only_finished_mail_can_be_deleted(
        self, harness: ApiHarness, alice: Client, acme: dict[str, Any]
    ) -> None:
        """What has ended needs no relay any more."""
        mail(alice)
        with harness.database.write() as connection:
            connection.execute(update(delivery).values(status="sent", due_at=None, expires_at=None))

        assert alice.delete(f"/relays/{acme['id']}").status_code == 204


class TestActions:
    @pytest.mark.parametrize(
        ("said", "reason"), [(b'{"reason": "provider asked"}', "provider asked"), (b"", "paused by hand")]
    )
    def test_a_body_that_may_be_left_out_may_come_in_pieces(
        self, alice: Client, acme: dict[str, Any], said: bytes, reason: str
    ) -> None:
        """Clients that stream don't say how long a body is, and some send an empty one in that way."""
        chunked = {"HTTP_TRANSFER_ENCODING": "chunked"}
        path = f"/relays/{acme['id']}"
        answer = alice.call(
            "POST",
            f"{path}/pause",
            input_stream=BytesIO(said),
            content_type="application/json",
            environ_overrides=chunked,
        )
        resumed = alice.call("POST", f"{path}/resume", input_stream=BytesIO(b""), environ_overrides=chunked)

        assert (answer.status_code, answer.json["status_reason"]) == (200, reason)
        assert resumed.status_code == 200

    def test_a_pause_is_stored_and_emits_an_event(
        self, harness: ApiHarness, alice: Client, acme: dict[str, Any]
    ) -> None:
        """A pause by hand is a row, so it survives restarts; a second one changes nothing."""
        paused = alice.post(f"/relays/{acme['id']}/pause", {"reason": "provider asked"}).json
        again = alice.post(f"/relays/{acme['id']}/pause").json

        assert (paused["status"], paused["status_reason"]) == ("paused", "provider asked")
        assert again["status_reason"] == "provider asked"
        data = {"relay_id": acme["id"], "name": "acme", "reason": "provider asked", "retry_at": None}
        assert told(harness) == [("relay.paused", data)]

    def test_a_resume_emits_one_event(self, harness: ApiHarness, alice: Client, acme: dict[str, Any]) -> None:
        """Paused and resumed come in pairs; resuming what works says nothing."""
        alice.post(f"/relays/{acme['id']}/pause")
        answers = [alice.post(f"/relays/{acme['id']}/resume") for _ in range(2)]

        assert [(a.status_code, a.json["status"], a.json["status_reason"]) for a in answers] == [
            (200, "active", None)
        ] * 2
        assert [kind for kind, _ in told(harness)] == ["relay.paused", "relay.resumed"]

    def test_a_resume_closes_the_breaker(self, harness: ApiHarness, alice: Client, acme: dict[str, Any]) -> None:
        """A relay that backs off is used again at once."""
        change(harness, acme["id"], failures=3, retry_at=harness.database.now() + 10**9, last_error="connect: refused")
        shown = alice.post(f"/relays/{acme['id']}/resume").json
        row = row_of(harness, acme["id"])

        assert (shown["status"], shown["retry_at"]) == ("active", None)
        assert (row.failures, row.retry_at) == (0, None)
        assert [kind for kind, _ in told(harness)] == ["relay.resumed"]

    def test_a_pause_outlives_new_settings(self, alice: Client, acme: dict[str, Any]) -> None:
        """Only a resume ends a pause."""
        alice.post(f"/relays/{acme['id']}/pause")

        assert alice.patch(f"/relays/{acme['id']}", {"port": 25}).json["status"] == "paused"

    def test_a_check_dials_with_the_stored_secret(
        self, alice: Client, checked: list[Relay], acme: dict[str, Any]
    ) -> None:
        """The report comes from the part that dials, which gets the decrypted account."""
        answer = alice.post(f"/relays/{acme['id']}/check")

        assert (answer.status_code, answer.json) == (200, CHECKED)
        assert (checked[0].host, checked[0].password) == ("smtp.acme.test", "s3cret")
        msgspec.convert(answer.json, RelayCheck)


def test_a_row_read_before_a_change_is_not_cached_after_it(harness: ApiHarness) -> None:
    """A look that began earlier would bring back, for a second, the relay as it was."""
    shop, book = writer(harness, "shop"), harness.services.relays
    relay_id = shop.get("/relays").json["data"][0]["id"]
    book.forget()

    def change(*_: Any) -> None:
        with harness.database.write() as connection:
            connection.execute(update(relay).values(paused=True, updated_at=relay.c.updated_at + 1))
        book.forget()

    hooks.listen(harness.database._reader, "after_cursor_execute", change, once=True)
    book.get(relay_id)
    found = book.get(relay_id)

    assert found is not None and found.paused


class TestTargets:
    """MAILSVC_RELAY_TARGETS=public: the relays of apps other than the first must be out in the internet."""

    @pytest.fixture
    def furnishing(self) -> dict[str, Any]:
        return {"relay_targets": "public", "check_relay": lambda wanted: CHECKED | {"capabilities": [wanted.targets]}}

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "168.63.129.16", "fd00:ec2::254", "::ffff:127.0.0.1"]
    )
    def test_another_app_cannot_use_a_private_address(self, harness: ApiHarness, host: str) -> None:
        """The first app may: it is the operator's."""
        operator, stranger = harness.create_app("first"), harness.create_app("second")
        refused = stranger.post("/relays", ACME | {"host": host})

        assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "host")
        assert "MAILSVC_RELAY_TARGETS" in refused.json["errors"][0]["detail"]
        assert operator.post("/relays", ACME | {"host": host}).status_code == 201

    def test_a_resolved_address_is_checked_when_it_is_dialled(self, harness: ApiHarness) -> None:
        """By checks as by deliveries."""
        rules = []
        for client in (harness.create_app("first"), harness.create_app("second")):
            made = client.post("/relays", ACME).json
            rules.append(client.post(f"/relays/{made['id']}/check").json["capabilities"])
            known = harness.services.relays.get(made["id"])
            assert known is not None
            rules.append([known.relay.targets])

        assert rules == [["any"], ["any"], ["public"], ["public"]]


class TestEhlo:
    @pytest.mark.parametrize("name", ["app.example.com", "app", "[192.0.2.1]", "[IPv6:2001:db8::1]", None])
    def test_a_name_or_an_address_literal_is_taken(self, alice: Client, name: str | None) -> None:
        assert alice.post("/relays", ACME | {"ehlo": name}).json["ehlo"] == name

    @pytest.mark.parametrize(
        "name", ["", "a b", "app.example.com\r\nRSET", "[192.0.2.300]", "[::1]", "192.0.2.1", "x..y"]
    )
    def test_an_invalid_host_is_rejected(self, alice: Client, name: str) -> None:
        """The line that it is said in must stay one command."""
        refused = alice.post("/relays", ACME | {"ehlo": name})

        assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "ehlo")

    def test_a_trailing_dot_of_the_host_is_dropped(self, alice: Client) -> None:
        """It names the same host, but is in no certificate."""
        assert alice.post("/relays", ACME | {"host": "smtp.acme.test."}).json["host"] == "smtp.acme.test"
