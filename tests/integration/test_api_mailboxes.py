"""/v1/mailboxes: what is accepted, shown and refused."""

from typing import Any

import pytest

from tests.support.api import ApiHarness, Client

ACTIONS = ("check", "pause", "resume")
FORM = {"name": "support", "host": "imap.example.test", "username": "jane", "password": "secret"}


@pytest.fixture
def shop(harness: ApiHarness) -> Client:
    return harness.create_app("shop")


def field_of(answer: Any) -> str:
    assert answer.status_code == 422, answer.json
    field: str = answer.json["errors"][0]["field"]
    return field


def test_a_mailbox_is_shown_with_its_defaults_and_without_its_password(shop: Client) -> None:
    made = shop.post("/mailboxes", FORM)

    assert made.status_code == 201
    assert made.json | {"id": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "name": "support",
        "protocol": "imap",
        "host": "imap.example.test",
        "port": 993,
        "tls": "implicit",
        "verify": True,
        "ca_pem": None,
        "username": "jane",
        "password": "********",
        "oauth": None,
        "folder": "INBOX",
        "after": "keep",
        "first_read": "new",
        "poll_interval": 60,
        "idle": True,
        "relay": None,
        "sent_folder": None,
        "enabled": True,
        "managed": False,
        "status": "starting",
        "status_reason": None,
        "last_error": None,
        "retry_at": None,
        "last_read_at": None,
        "created_at": "",
        "updated_at": "",
    }
    assert shop.get(f"/mailboxes/{made.json['id']}").json == made.json
    assert shop.get("/mailboxes").json["data"] == [made.json]


@pytest.mark.parametrize(
    ("protocol", "tls", "port"),
    [("imap", "implicit", 993), ("imap", "starttls", 143), ("pop3", "implicit", 995), ("pop3", "starttls", 110)],
)
def test_the_port_follows_from_the_protocol(shop: Client, protocol: str, tls: str, port: int) -> None:
    assert shop.post("/mailboxes", FORM | {"protocol": protocol, "tls": tls}).json["port"] == port


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"host": "not a host"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_interval": 86401}, "poll_interval"),
        ({"tls": "none"}, "tls"),
        ({"username": ""}, "username"),
        ({"password": None}, "password"),
        ({"password": "********"}, "password"),
        ({"password": "a\nb"}, "password"),
        ({"folder": ""}, "folder"),
        ({"folder": "a\r\nb"}, "folder"),
        ({"after": "burn"}, "after"),
        ({"after": "move:"}, "after"),
        ({"after": "move:INBOX"}, "after"),
        ({"after": "move:inbox"}, "after"),  # INBOX is the same in any case: each mail would arrive again and again
        ({"protocol": "pop3", "after": "seen"}, "after"),
        ({"protocol": "pop3", "after": "move:Done"}, "after"),
        ({"protocol": "pop3", "folder": "Archive"}, "folder"),
        ({"first_read": "some"}, "first_read"),
        ({"protocol": "jmap"}, "protocol"),
        ({"ca_pem": "no certificate"}, "ca_pem"),
        ({"relay": "nowhere"}, "relay"),
        ({"polling": 5}, "polling"),
    ],
)
def test_what_is_wrong_is_named(shop: Client, wrong: dict[str, Any], field: str) -> None:
    """And nothing is stored."""
    assert field_of(shop.post("/mailboxes", FORM | wrong)) == field
    assert shop.get("/mailboxes").json["data"] == []


@pytest.mark.parametrize(
    "change", [{"protocol": "pop3"}, {"host": "pop.example.test"}, {"username": "joe"}, {"folder": "Archive"}]
)
def test_a_change_to_another_mailbox_is_refused(shop: Client, change: dict[str, str]) -> None:
    """The cursor would mean nothing there."""
    id_ = shop.post("/mailboxes", FORM).json["id"]
    answer = shop.patch(f"/mailboxes/{id_}", change)

    assert field_of(answer) == next(iter(change))
    assert "create a new one" in answer.json["detail"]


def test_a_mailbox_is_changed_by_what_was_shown(shop: Client) -> None:
    """The mask of the password keeps it."""
    made = shop.post("/mailboxes", FORM).json
    changed = shop.patch(f"/mailboxes/{made['id']}", made | {"after": "move:Done", "poll_interval": 5}).json

    assert changed == made | {"after": "move:Done", "poll_interval": 5, "updated_at": changed["updated_at"]}


def test_a_taken_name_is_a_conflict(shop: Client) -> None:
    shop.post("/mailboxes", FORM)
    other = shop.post("/mailboxes", FORM | {"name": "other"}).json

    assert shop.post("/mailboxes", FORM).status_code == 409
    assert shop.patch(f"/mailboxes/{other['id']}", {"name": "support"}).status_code == 409


def test_a_mailbox_is_paused_resumed_and_deleted(shop: Client) -> None:
    path = f"/mailboxes/{shop.post('/mailboxes', FORM).json['id']}"
    paused = shop.post(path + "/pause", {"reason": "it moves"}).json
    resumed = shop.post(path + "/resume").json

    assert (paused["status"], paused["status_reason"]) == ("paused", "it moves")
    assert (resumed["status"], resumed["status_reason"]) == ("starting", None)
    assert shop.delete(path).status_code == 204
    assert shop.get(path).status_code == 404


def test_another_app_sees_nothing_of_it(harness: ApiHarness, shop: Client) -> None:
    """Not even that it is there."""
    path = f"/mailboxes/{shop.post('/mailboxes', FORM).json['id']}"
    other = harness.create_app("other")

    assert other.get("/mailboxes").json["data"] == []
    for method, suffix in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/check"),
        ("POST", "/pause"),
        ("POST", "/resume"),
    ):
        assert other.call(method, path + suffix, {} if method == "PATCH" else None).status_code == 404


def test_a_check_says_that_the_stored_password_cannot_be_decrypted(harness: ApiHarness, shop: Client) -> None:
    """As after a change of MAILSVC_SECRET_KEY."""
    id_ = shop.post("/mailboxes", FORM).json["id"]
    with harness.database.write() as connection:
        connection.exec_driver_sql("UPDATE mailsvc_mailbox SET secret = 'x'")
    answer = shop.post(f"/mailboxes/{id_}/check")
    (step,) = answer.json["steps"]

    assert (answer.status_code, answer.json["ok"], step["name"], step["ok"]) == (200, False, "login", False)
    assert "another MAILSVC_SECRET_KEY" in step["detail"]


class TestProbe:
    """POST /v1/mailboxes/{id}/probe, without the part that sends."""

    def made(self, shop: Client, **form: Any) -> str:
        shop.post("/relays", {"name": "main", "host": "127.0.0.1", "tls": "none"})
        return f"/mailboxes/{shop.post('/mailboxes', FORM | form).json['id']}"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "address"), ({"address": "Jane <jane@app.test>"}, "address"), ({"address": "jäne@app.test"}, "address"),
            ({"address": "jane@app.test", "relay": "other"}, "relay"), ({"seconds": 3}, "seconds"),
        ],
    )  # fmt: skip
    def test_what_can_not_be_probed_is_named(self, shop: Client, body: dict[str, Any], field: str) -> None:
        assert field_of(shop.post(f"{self.made(shop)}/probe", body)) == field

    @pytest.mark.parametrize("form", [{"enabled": False}, {}], ids=["disabled", "paused"])
    def test_a_mailbox_that_is_not_read_is_not_probed(self, shop: Client, form: dict[str, Any]) -> None:
        """Nobody would see what arrives."""
        at = self.made(shop, **form)
        shop.post(f"{at}/pause")

        assert shop.post(f"{at}/probe", {"address": "jane@app.test"}).status_code == 409

    def test_the_user_name_is_the_address_where_it_is_one(self, shop: Client) -> None:
        at = self.made(shop, username="jane@app.test")

        assert shop.post(f"{at}/probe").status_code == 503


def test_a_relay_shows_and_changes_whether_it_files_copies(shop: Client) -> None:
    made = shop.post("/relays", {"name": "main", "host": "127.0.0.1", "tls": "none"}).json
    changed = shop.patch(f"/relays/{made['id']}", {"file_sent": True}).json
    kept = shop.patch(f"/relays/{made['id']}", {"max_connections": 3}).json
    reset = shop.patch(f"/relays/{made['id']}", {"file_sent": None}).json

    assert [one["file_sent"] for one in (made, changed, kept, reset)] == [False, True, True, False]
