"""What the API takes in many spellings: null, base64, the arguments of a finished message, addresses in any case."""

import base64
from typing import Any

import pytest

from tests.support.api import Answer, ApiHarness, Client
from tests.support.messages import submit, take_all

RAW = b"From: a@app.test\r\nTo: b@example.test\r\nSubject: s\r\n\r\nHi\r\n"
LETTER = {"from": "Shop <orders@app.test>", "to": "alice@example.test", "subject": "Hi", "text": "Hello."}
RELAY = {"name": "acme", "host": "smtp.acme.test"}


def hand_in(client: Client, query: str, mail: bytes = RAW) -> Answer:
    """A finished message with these arguments."""
    return client.call("POST", f"/messages?{query}", data=mail, content_type="message/rfc822")


def shown(client: Client, answer: Answer) -> dict[str, Any]:
    assert answer.status_code == 202, answer.json
    return dict(client.get(f"/messages/{answer.json['id']}").json)


class TestNull:
    """It stands for what is not given, wherever a field can be left out."""

    OPTIONAL = (
        "to", "cc", "bcc", "reply_to", "subject", "html", "headers", "attachments", "template", "variables", "tags",
        "metadata", "scheduled_at", "expires_in", "priority", "relay", "on_uncertain", "delivery_receipt", "in_reply_to",
        "sender", "return_path", "list_unsubscribe_post",
    )  # fmt: skip

    def test_every_optional_field_of_a_message(self, shop: Client) -> None:
        """Also in a batch, and in an attachment."""
        letter = dict.fromkeys(self.OPTIONAL) | LETTER
        file = {"filename": "a", "content": "", "content_type": None, "content_id": None, "disposition": None}
        single = shop.post("/messages", letter | {"attachments": [file]})
        batch = shop.post("/messages/batch", {"messages": [letter]})

        assert (single.status_code, batch.status_code) == (202, 202), (single.json, batch.json)
        assert shown(shop, single)["expires_in"] == 259200

    def test_members_of_maps(self, shop: Client) -> None:
        made = shop.post("/messages", LETTER | {"metadata": {"a": None, "b": "x"}, "headers": {"X-A": None}})

        assert (shown(shop, made)["metadata"], shown(shop, made)["headers"]) == ({"b": "x"}, {})

    def test_a_required_field_is_missing(self, shop: Client) -> None:
        """As if it were not there at all."""
        answer = shop.post("/messages", LETTER | {"from": None})

        assert answer.json["errors"] == [{"field": "from", "detail": "is required"}]

    def test_other_resources(self, shop: Client) -> None:
        """Their defaults hold."""
        fields = (
            "port",
            "tls",
            "verify",
            "auth",
            "max_connections",
            "rate",
            "verp",
            "dsn",
            "default",
            "enabled",
            "timeouts",
            "oauth",
        )
        relay = shop.post("/relays", dict.fromkeys(fields) | RELAY)
        webhook = shop.post(
            "/webhooks", {"url": "https://a.test/", "events": None, "enabled": None, "description": None}
        )
        entry = shop.post("/suppressions", {"address": "a@b.test", "reason": None, "tag": None, "note": None})
        key = shop.post("/keys", {"name": "x", "scopes": ["send"], "networks": None, "expires_at": None})

        assert [answer.status_code for answer in (relay, webhook, entry, key)] == [201] * 4, [
            relay.json,
            webhook.json,
            entry.json,
            key.json,
        ]
        assert (relay.json["port"], webhook.json["events"], entry.json["reason"]) == (587, ["*"], "manual")

    def test_actions_and_patches(self, shop: Client) -> None:
        """A null has no default to put back what is required."""
        id_ = shop.post("/relays", RELAY).json["id"]
        message = submit(shop)["id"]
        answers = [
            shop.patch(f"/relays/{id_}", {"host": None, "name": None}),
            shop.post(f"/relays/{id_}/pause", {"reason": None}),
            shop.patch(f"/messages/{message}", {"expires_in": None, "priority": None}),
            shop.post(f"/messages/{message}/retry", {"force": None}),
        ]

        assert [answer.status_code for answer in answers] == [200] * 4, [answer.json for answer in answers]
        assert answers[0].json["host"] == "smtp.acme.test"


class TestBase64:
    CONTENT = bytes(range(256)) * 2

    @pytest.mark.parametrize(
        "spelling",
        [
            base64.b64encode(CONTENT).decode(),
            base64.encodebytes(CONTENT).decode(),
            base64.encodebytes(CONTENT).decode().replace("\n", "\r\n "),
            base64.urlsafe_b64encode(CONTENT).decode(),
            base64.urlsafe_b64encode(CONTENT).decode().rstrip("="),
        ],
    )
    def test_line_breaks_and_the_url_safe_alphabet_are_taken(self, shop: Client, spelling: str) -> None:
        made = shop.post("/messages", LETTER | {"attachments": [{"filename": "a", "content": spelling}]})

        assert shown(shop, made)["attachments"][0]["size"] == len(self.CONTENT)

    @pytest.mark.parametrize("spelling", ["YQ", "Y", "a*b=", "====", "YQ==YQ=="])
    def test_truncated_base64_is_rejected(self, shop: Client, spelling: str) -> None:
        """Without its padding, nobody knows that it is whole."""
        answer = shop.post("/messages", LETTER | {"attachments": [{"filename": "a", "content": spelling}]})

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "attachments.0.content")


class TestRaw:
    def test_raw_submission_takes_every_option_as_a_parameter(self, shop: Client) -> None:
        """What JSON has members for."""
        relay = shop.post("/relays", RELAY | {"default": False}).json
        query = (
            "relay=acme&tag=a&tag=b&metadata.order=17&scheduled_at=2999-01-01T00:00:00Z&expires_in=600"
            "&priority=high&on_uncertain=hold&delivery_receipt=true"
        ).replace("2999", "2027")
        found = shown(shop, hand_in(shop, query))

        assert (found["relay"], found["tags"], found["metadata"]) == (relay["name"], ["a", "b"], {"order": "17"})
        assert (found["status"], found["expires_in"], found["priority"]) == ("scheduled", 600, "high")
        assert (found["on_uncertain"], found["delivery_receipt"]) == ("hold", True)

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("relay=nobody", "relay"), ("expires_in=59", "expires_in"), ("expires_in=x", "expires_in"), ("priority=urgent", "priority"),
            ("on_uncertain=never", "on_uncertain"), ("delivery_receipt=maybe", "delivery_receipt"), ("scheduled_at=soon", "scheduled_at"),
            ("priority=high&priority=low", "priority"), ("tags=a", "tags"), ("metadata.=x", "metadata."),
        ],
    )  # fmt: skip
    def test_a_wrong_argument_is_named(self, shop: Client, query: str, field: str) -> None:
        answer = hand_in(shop, query)

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)

    @pytest.mark.parametrize("query", ["to=a%zz@b.test", "to=100%", "tag=%e"])
    def test_bad_percent_encoding_is_refused(self, shop: Client, query: str) -> None:
        """It would stay as it is, and an address would become another one."""
        assert hand_in(shop, query).status_code == 400

    def test_the_old_recipients_of_a_resent_message_are_not_mailed(self, shop: Client) -> None:
        """The newest Resent block gives the envelope."""
        mail = (
            b"Resent-From: n@app.test\r\nResent-To: new@example.test\r\nResent-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
            + RAW
        )

        assert [d["recipient"] for d in hand_in(shop, "", mail).json["deliveries"]] == ["new@example.test"]


class TestAddresses:
    def test_one_address_in_several_cases_is_one_delivery(self, shop: Client) -> None:
        made = submit(shop, "Bob@Example.test", "bob@example.TEST", cc=["BOB@example.test"])

        assert [d["recipient"] for d in made["deliveries"]] == ["Bob@example.test"]

    def test_a_long_local_part_is_taken(self, shop: Client) -> None:
        """Ticket systems put tokens there."""
        long = "x" * 200 + "@example.test"

        assert [d["recipient"] for d in submit(shop, long)["deliveries"]] == [long]


class TestReturnPath:
    def test_the_return_path_of_the_message_overrides_the_relays(self, harness: ApiHarness, shop: Client) -> None:
        submit(shop, return_path="bounces@app.test")
        (facts,) = take_all(harness).messages.values()

        assert facts.return_path == "bounces@app.test"

    @pytest.mark.parametrize("where", ["message", "relay", "patch"])
    def test_a_return_path_too_long_for_its_token_is_rejected(self, shop: Client, where: str) -> None:
        """The error names how long it is; without VERP it is taken."""
        long = "b" * 30 + "@app.test"
        if where == "message":
            answer = shop.post("/messages", LETTER | {"return_path": long})
        elif where == "relay":
            answer = shop.post("/relays", RELAY | {"return_path": long})
            assert shop.post("/relays", RELAY | {"return_path": long, "verp": False}).status_code == 201
        else:
            answer = shop.patch(f"/relays/{shop.post('/relays', RELAY).json['id']}", {"return_path": long})

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "return_path")
        assert "30 characters" in answer.json["errors"][0]["detail"]

    def test_a_long_return_path_is_accepted_without_a_token(self, harness: ApiHarness, shop: Client) -> None:
        """What the error advises helps: the relay that the message goes by decides."""
        shop.post("/relays", RELAY | {"verp": False, "default": False})
        long = "b" * 64 + "@app.test"
        by_default = shop.post("/messages", LETTER | {"return_path": long})
        made = shop.post("/messages", LETTER | {"return_path": long, "relay": "acme"})

        assert (by_default.status_code, made.status_code) == (422, 202)
        assert shown(shop, made)["return_path"] == long

    def test_a_return_path_must_remain_an_address_with_its_token(self, shop: Client) -> None:
        """254 octets in all (RFC 5321 section 4.5.3.1.3)."""
        domain = ".".join(["x" * 50] * 4) + ".test"
        answers = [shop.post("/messages", LETTER | {"return_path": f"{'b' * n}@{domain}"}) for n in (10, 11)]

        assert [answer.status_code for answer in answers] == [202, 422]
        assert "219" in answers[1].json["errors"][0]["detail"]


@pytest.mark.parametrize("key", ["é", "a\u00a0b", "\x7f"])
def test_an_idempotency_key_is_ascii(shop: Client, key: str) -> None:
    """What a proxy would spell anew would be another key."""
    headers = {"Authorization": f"Bearer {shop.key}", "Idempotency-Key": key}
    answer = shop.flask.post("/v1/messages", json=LETTER, headers=headers)

    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "Idempotency-Key")
