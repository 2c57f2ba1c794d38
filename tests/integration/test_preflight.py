"""``POST /v1/messages/validate``: what a submission would do, without doing it."""

from email import message_from_string
from typing import Any

import msgspec

from mailsvc.api.preflight import Preflight
from tests.support.api import ApiHarness, Client

LETTER = {"from": "Shop <orders@app.test>", "to": ["a@example.test"], "subject": "Hi", "text": "Hello."}


def validate(shop: Client, **fields: Any) -> Preflight:
    answer = shop.post("/messages/validate", LETTER | fields)
    assert answer.status_code == 200, answer.json
    return msgspec.convert(answer.json, Preflight, strict=True)


def test_the_finished_message_is_shown_and_nothing_is_stored(shop: Client) -> None:
    shown = validate(shop, cc=["b@example.test"], headers={"X-Order": "17"})
    finished = message_from_string(shown.mime)

    assert (finished["Subject"], finished["X-Order"], finished["Cc"]) == ("Hi", "17", "b@example.test")
    assert [(d.recipient, d.kind, d.status) for d in shown.deliveries] == [
        ("a@example.test", "to", "queued"),
        ("b@example.test", "cc", "queued"),
    ]
    assert (shown.status, shown.relay, shown.findings) == ("queued", "main", [])
    assert shop.get("/messages").json["data"] == shop.get("/events").json["data"] == []


def test_what_a_submission_would_be_refused_for_is_the_same_problem(shop: Client) -> None:
    wrong = LETTER | {"to": ["nobody"], "metadata": {"k" * 41: "v"}}
    refused, checked = (shop.post(f"/messages{path}", wrong) for path in ("", "/validate"))

    assert refused.status_code == checked.status_code == 422
    assert refused.json["errors"] == checked.json["errors"]


def test_what_may_not_be_meant_is_found(shop: Client) -> None:
    """A suppressed recipient, HTML without a text, no subject."""
    shop.post("/suppressions", {"address": "b@example.test"})
    shown = validate(shop, to=["a@example.test", "b@example.test"], subject=None, text=None, html="<p>Hi</p>")

    assert [d.status for d in shown.deliveries] == ["queued", "suppressed"]
    assert [f.code for f in shown.findings] == ["suppressed", "no_subject", "no_text"]


def test_it_needs_what_sending_needs(harness: ApiHarness, alice: Client) -> None:
    """Without a relay it can't say what would be sent."""
    assert alice.post("/messages/validate", LETTER).status_code == alice.post("/messages", LETTER).status_code
    assert harness.flask.test_client().post("/v1/messages/validate", json=LETTER).status_code == 401
