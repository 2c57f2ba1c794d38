"""Messages whose answers find back: reply tokens, unsubscribe addresses and links, and messages that answer arrivals."""

import re
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import ApiHarness, Client, open_harness
from tests.support.arriving import Inbox
from tests.support.mails import answer
from tests.support.messages import set_statuses, submit

ALICE = "alice@example.test"
AUTO = {"List-Unsubscribe": "auto"}


@pytest.fixture
def shop(harness: ApiHarness) -> Client:
    return with_relay(harness.create_app("shop"))


def with_relay(client: Client, **fields: Any) -> Client:
    relay = {"name": "main", "host": "127.0.0.1", "port": 2525, "tls": "none", "default": True, **fields}
    assert client.post("/relays", relay).status_code == 201
    return client


def sent_form(client: Client, message: dict[str, Any]) -> Message:
    return message_from_bytes(client.get(f"/messages/{message['id']}/raw").data, policy=default)


# Reply tokens


@pytest.mark.parametrize(
    ("reply_to", "expected"),
    [
        ([], r"Shop <orders\+\w{34}@app\.test>"),
        (["Help <help@app.test>", "boss@app.test"], r"Help <help\+\w{34}@app\.test>, boss@app\.test"),
        (["x" * 60 + "@app.test"], "x{60}@app.test"),  # no room for a token
    ],
)
def test_a_reply_token_leads_to_the_message(harness: ApiHarness, reply_to: list[str], expected: str) -> None:
    """The application sees what it submitted."""
    client = with_relay(harness.create_app("tokens"), reply_token=True)
    message = submit(client, reply_to=reply_to)

    assert re.fullmatch(expected, " ".join(sent_form(client, message)["Reply-To"].split()))
    assert client.get(f"/messages/{message['id']}").json["reply_to"] == reply_to


def test_a_reply_to_the_token_is_a_reply_to_the_message(harness: ApiHarness) -> None:
    client = with_relay(harness.create_app("tokens"), reply_token=True)
    message = submit(client)
    set_statuses(harness, message["id"], ("sent",))
    Inbox(harness, client).arrive(
        answer("other@example.test", to=sent_form(client, message)["Reply-To"].addresses[0].addr_spec)
    )
    shown = client.get(f"/messages/{message['id']}").json

    assert [(one["kind"], one["from"]) for one in shown["arrivals"]] == [("reply", "other@example.test")]


# List-Unsubscribe


@pytest.mark.parametrize("asked", ["auto", ["Auto"]])
def test_the_unsubscribe_address_is_that_of_the_mailbox(harness: ApiHarness, asked: str | list[str]) -> None:
    client = with_relay(harness.create_app("news"), unsubscribe_mailbox="leave")
    inbox = Inbox(harness, client, "leave", username="leave@app.test")
    message = submit(client, headers={"List-Unsubscribe": asked}, tags=["news"])
    (address,) = re.fullmatch(
        r"<mailto:(leave\+\w{34}@app\.test)\?subject=unsubscribe>", sent_form(client, message)["List-Unsubscribe"]
    ).groups()  # type: ignore[union-attr]
    inbox.arrive(answer(ALICE, to=address))
    (entry,) = client.get("/suppressions").json["data"]

    assert (entry["address"], entry["reason"], entry["tag"]) == (ALICE, "unsubscribe", "news")
    assert "List-Unsubscribe-Post" not in sent_form(client, message)


def test_the_unsubscribe_link_works_by_one_click(tmp_path: Path) -> None:
    """A GET changes nothing; a second click neither."""
    harness = open_harness(tmp_path, public_url="https://mail.app.test")
    try:
        client = with_relay(harness.create_app("news"))
        message = submit(client, headers=AUTO, tags=["news"])
        mail = sent_form(client, message)
        (token,) = re.fullmatch(r"<https://mail\.app\.test/u/(\w{34})>", mail["List-Unsubscribe"]).groups()  # type: ignore[union-attr]
        page = client.flask.get(f"/u/{token}")
        before = client.get("/suppressions").json["data"]
        clicked = [client.flask.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"}).status_code for _ in "ab"]
        entries = client.get("/suppressions").json["data"]
        events = [e["type"] for e in client.get("/events?after=beginning").json["data"]]
        refused = submit(client, tags=["news"])
    finally:
        harness.close()

    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (page.status_code, "<button" in page.text, before) == (200, True, [])
    assert clicked == [200, 200]
    assert [(one["address"], one["reason"], one["tag"]) for one in entries] == [(ALICE, "unsubscribe", "news")]
    assert events == ["message.queued", "suppression.added"]
    assert refused["deliveries"][0]["status"] == "suppressed"


@pytest.mark.parametrize("token", ["x", "0" * 34, "%00", "a" * 5000])
def test_an_unknown_unsubscribe_link_says_so(shop: Client, token: str) -> None:
    assert shop.flask.get(f"/u/{token}").status_code == 404
    assert shop.flask.post(f"/u/{token}").status_code == 404


@pytest.mark.parametrize(
    ("relay", "to", "flaw"),
    [
        ({}, [ALICE], "needs unsubscribe_mailbox at the relay, or MAILSVC_PUBLIC_URL"),
        ({"unsubscribe_mailbox": "nowhere"}, [ALICE], "'nowhere' that is not there"),
        ({"unsubscribe_mailbox": "leave"}, [ALICE, "bob@example.test"], "send each recipient a message of their own"),
    ],
)
def test_an_unsubscribe_field_that_cannot_be_made_is_refused(
    harness: ApiHarness, relay: dict[str, Any], to: list[str], flaw: str
) -> None:
    client = with_relay(harness.create_app("news"), **relay)
    Inbox(harness, client, "leave")
    said = client.post("/messages", {"from": "shop@app.test", "to": to, "text": "Hi", "headers": AUTO})

    assert said.status_code == 422
    assert said.json["errors"][0]["field"] == "headers.List-Unsubscribe"
    assert flaw in said.json["errors"][0]["detail"]


# Answering an arrival


def arrived(harness: ApiHarness, client: Client, mail: bytes) -> str:
    Inbox(harness, client).arrive(mail)
    (arrival,) = client.get("/inbound").json["data"]
    return str(arrival["id"])


def test_a_message_that_answers_an_arrival_continues_its_conversation(harness: ApiHarness, shop: Client) -> None:
    """To whom and under which subject follow from the arrival."""
    references = [("References", "<a@example.test> <b@example.test>")]
    id_ = arrived(harness, shop, answer(f"Alice <{ALICE}>", headers=references))
    accepted = shop.post("/messages", {"from": "shop@app.test", "text": "Thanks", "in_reply_to": id_})
    mail = sent_form(shop, accepted.json)

    assert accepted.status_code == 202
    assert mail["To"] == f"Alice <{ALICE}>"
    assert mail["Subject"] == "Re: Hi"
    assert mail["In-Reply-To"] == "<answer@example.test>"
    assert mail["References"].split() == ["<a@example.test>", "<b@example.test>", "<answer@example.test>"]


def test_the_reply_to_of_an_arrival_and_what_is_given_come_first(harness: ApiHarness, shop: Client) -> None:
    id_ = arrived(harness, shop, answer(ALICE, headers=[("Reply-To", "desk@example.test")]))
    draft = {"from": "shop@app.test", "text": "Thanks", "in_reply_to": id_}
    by_field = shop.post("/messages", draft)
    given = shop.post("/messages", draft | {"to": "bob@example.test", "subject": "Other"})

    assert sent_form(shop, by_field.json)["To"] == "desk@example.test"
    assert (sent_form(shop, given.json)["To"], sent_form(shop, given.json)["Subject"]) == ("bob@example.test", "Other")


@pytest.mark.parametrize("value", ["auto-replied", "auto-generated; type=ticket"])
def test_a_machine_is_answered_only_by_force(harness: ApiHarness, shop: Client, value: str) -> None:
    id_ = arrived(harness, shop, answer(ALICE, headers=[("Auto-Submitted", value)]))
    draft = {"from": "shop@app.test", "text": "Thanks", "in_reply_to": id_}

    refused = shop.post("/messages", draft)
    assert (refused.status_code, refused.json["code"]) == (409, "conflict")
    assert '"force": true' in refused.json["detail"]
    assert shop.post("/messages", draft | {"force": True}).status_code == 202


@pytest.mark.parametrize("value", ["no", "No (a person wrote this)", "no; by=hand", ""])
def test_a_person_who_says_so_is_answered(harness: ApiHarness, shop: Client, value: str) -> None:
    id_ = arrived(harness, shop, answer(ALICE, headers=[("Auto-Submitted", value)]))
    accepted = shop.post("/messages", {"from": "shop@app.test", "text": "Thanks", "in_reply_to": id_})

    assert accepted.status_code == 202


@pytest.mark.parametrize("of_other_app", [True, False])
def test_an_unknown_arrival_cannot_be_answered(harness: ApiHarness, shop: Client, of_other_app: bool) -> None:
    id_ = arrived(harness, harness.create_app("other"), answer(ALICE)) if of_other_app else "arr_" + "0" * 26
    said = shop.post("/messages", {"from": "shop@app.test", "text": "Thanks", "in_reply_to": id_})

    assert said.status_code == 422
    assert {error["field"] for error in said.json["errors"]} == {"in_reply_to"}
