"""/v1/inbound: the mails that arrived, found, shown, and given back as they came."""

import base64
from typing import Any

import pytest

from mailsvc.inbound import arrivals
from tests.support.api import ApiHarness, Client
from tests.support.arriving import Inbox

HEAD = b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.test>\r\nTo: Support <support@app.test>\r\nCc: boss@app.test\r\n"
PLAIN = HEAD + (
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Fri, 27 Nov 2026 10:00:00 +0100\r\n"
    b"Message-ID: <one@example.test>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
)
PDF = b"%PDF-1.4\0\r\n" * 40
MIXED = (
    HEAD + b"Subject: two\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n"
    b'--b\r\nContent-Type: application/pdf; name="../../a b.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + base64.encodebytes(PDF).replace(b"\n", b"\r\n")
    + b"--b--\r\n"
)


@pytest.fixture
def shop(harness: ApiHarness) -> Client:
    return harness.create_app("shop")


@pytest.fixture
def inbox(harness: ApiHarness, shop: Client) -> Inbox:
    return Inbox(harness, shop)


def listed(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/inbound{query}")
    assert answer.status_code == 200, answer.json
    return [arrival["subject"] for arrival in answer.json["data"]]


def test_an_arrival_is_listed_and_shown_with_its_content(shop: Client, inbox: Inbox) -> None:
    inbox.arrive(PLAIN)
    (arrival,) = shop.get("/inbound").json["data"]
    shown = shop.get(f"/inbound/{arrival['id']}").json

    assert arrival | {"id": "", "received_at": ""} == {
        "id": "",
        "mailbox_id": inbox.id,
        "kind": "message",
        "from": "Jürgen <j@example.test>",
        "to": ["Support <support@app.test>"],
        "cc": ["boss@app.test"],
        "subject": "Grüße",
        "date": "2026-11-27T09:00:00.000000Z",
        "message_id": "<one@example.test>",
        "in_reply_to_message_id": None,
        "delivery_id": None,
        "recipient": None,
        "size": len(PLAIN),
        "received_at": "",
        "folder": "INBOX",
        "uid": "3:1",
        "truncated": False,
        "error": None,
        "auto_reply": False,
        "forwarded": False,
        "findings": [],
        "evidence": [],
    }
    assert shown == arrival | {
        "text": "Grüße",
        "quoted": None,
        "signature": None,
        "html": None,
        "attachments": [],
        "headers": shown["headers"],
    }
    assert ["Subject", "Grüße"] in shown["headers"]


def test_the_event_says_what_the_arrival_says(shop: Client, inbox: Inbox) -> None:
    inbox.arrive(MIXED)
    (event,) = shop.get("/events?after=beginning").json["data"]
    (arrival,) = shop.get("/inbound").json["data"]

    assert (event["type"], event["sequence"]) == ("inbound.received", 1)
    assert event["data"] == {
        "arrival_id": arrival["id"],
        "mailbox_id": inbox.id,
        "kind": "message",
        "from": "Jürgen <j@example.test>",
        "to": ["Support <support@app.test>"],
        "cc": ["boss@app.test"],
        "subject": "two",
        "date": None,
        "message_id": None,
        "in_reply_to_message_id": None,
        "header_message_id": None,
        "delivery_id": None,
        "recipient": None,
        "text": event["data"]["text"],
        "quoted": None,
        "signature": None,
        "html": "<p>Hello</p>",
        "truncated": False,
        "attachments": [{"index": 0, "filename": "a b.pdf", "content_type": "application/pdf", "size": len(PDF)}],
        "auto_reply": False,
        "forwarded": False,
        "evidence": [],
        "error": None,
        "raw_url": f"/v1/inbound/{arrival['id']}/raw",
    }


def test_long_texts_are_left_out_of_the_event(shop: Client, inbox: Inbox) -> None:
    """They are shown with the arrival."""
    inbox.arrive(PLAIN + b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * 4000)
    (event,) = shop.get("/events?after=beginning").json["data"]
    (arrival,) = shop.get("/inbound").json["data"]

    assert (event["data"]["text"], event["data"]["truncated"]) == (None, True)
    assert len(shop.get(f"/inbound/{arrival['id']}").json["text"]) > 300_000


def test_the_raw_form_and_attachments_are_downloads(shop: Client, inbox: Inbox) -> None:
    """No browser shows what strangers sent; names are safe to save under."""
    inbox.arrive(MIXED)
    path = f"/inbound/{shop.get('/inbound').json['data'][0]['id']}"
    raw, attachment = shop.get(path + "/raw"), shop.get(path + "/attachments/0")

    assert raw.data == MIXED
    assert raw.headers["Content-Type"] == "message/rfc822"
    assert raw.headers["Content-Disposition"].startswith("attachment")
    assert attachment.data == PDF
    assert attachment.headers["Content-Type"] == "application/octet-stream"
    assert attachment.headers["Content-Disposition"] == 'attachment; filename="a b.pdf"'


@pytest.mark.parametrize("index", ["1", "-1", "x", "99999", "0x0"])
def test_an_attachment_that_is_not_there_is_not_found(shop: Client, inbox: Inbox, index: str) -> None:
    inbox.arrive(MIXED)
    path = f"/inbound/{shop.get('/inbound').json['data'][0]['id']}"

    assert shop.get(f"{path}/attachments/{index}").status_code == 404


def test_arrivals_are_found_by_filters(shop: Client, inbox: Inbox, harness: ApiHarness) -> None:
    """Several filters together mean all of them, one filter several times means any of its values."""
    other = Inbox(harness, shop, "other")
    inbox.arrive(PLAIN)
    other.arrive(MIXED, b"no mail at all")

    assert listed(shop) == [None, "two", "Grüße"]
    assert listed(shop, f"?mailbox={other.id}") == [None, "two"]
    assert listed(shop, "?mailbox=support") == ["Grüße"]
    assert listed(shop, "?kind=unparsed") == [None]
    assert listed(shop, "?kind=message&kind=unparsed") == [None, "two", "Grüße"]
    assert listed(shop, "?from=j%40EXAMPLE.test") == ["two", "Grüße"]
    assert listed(shop, "?from=J%C3%BCrgen&mailbox=other") == ["two"]
    assert listed(shop, "?to=boss%40app.test") == ["two", "Grüße"]
    assert listed(shop, "?q=Gr%C3%BC%C3%9F") == ["Grüße"]
    assert listed(shop, "?q=%25") == []
    assert listed(shop, "?message=msg_1") == []
    assert listed(shop, "?since=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00Z") == []
    assert listed(shop, "?since=2020-01-01T00:00:00Z") == [None, "two", "Grüße"]


@pytest.mark.parametrize(("query", "field"), [("?kind=letter", "kind"), ("?since=now", "since"), ("?form=x", "form")])
def test_a_wrong_filter_is_named(shop: Client, query: str, field: str) -> None:
    assert shop.get("/inbound" + query).json["errors"][0]["field"] == field


def test_pages_follow_one_another(shop: Client, inbox: Inbox) -> None:
    inbox.arrive(*[PLAIN] * 5)
    seen, cursor = 0, ""
    while cursor is not None:
        page = shop.get(f"/inbound?limit=2{cursor and '&cursor=' + cursor}").json
        seen, cursor = seen + len(page["data"]), page["next_cursor"]

    assert seen == 5


def test_another_app_sees_nothing_of_it(harness: ApiHarness, shop: Client, inbox: Inbox) -> None:
    inbox.arrive(MIXED)
    path = f"/inbound/{shop.get('/inbound').json['data'][0]['id']}"
    other = harness.create_app("other")

    assert listed(other) == []
    assert [other.get(path + rest).status_code for rest in ("", "/raw", "/attachments/0")] == [404] * 3


def test_what_could_not_be_read_is_listed_with_its_error(shop: Client, inbox: Inbox) -> None:
    """And its raw form is there."""
    inbox.arrive(b"\0\xff no mail")
    (arrival,) = shop.get("/inbound").json["data"]

    assert arrival["kind"] == "unparsed"
    assert arrival["error"]
    assert shop.get(f"/inbound/{arrival['id']}").status_code == 200
    assert shop.get(f"/inbound/{arrival['id']}/raw").data == b"\0\xff no mail"


@pytest.mark.parametrize("fails", ["classify", "record_arrivals"])
def test_a_fault_over_one_mail_is_shown_at_once_and_keeps_no_others_waiting(
    shop: Client, inbox: Inbox, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its raw form is complete, so that it can be classified again."""
    original: Any = getattr(arrivals, fails)

    def failing(*given: Any, **named: Any) -> Any:
        mails = [given[0].content] if fails == "classify" else [one.understood.mail.subject for one in given[1]]
        if any(mail in (MIXED, "two") for mail in mails):
            raise OverflowError
        return original(*given, **named)

    monkeypatch.setattr(arrivals, fails, failing)
    inbox.arrive(PLAIN, MIXED, HEAD + b"Subject: three\r\n\r\n")
    third, second, first = shop.get("/inbound").json["data"]

    assert [arrival["kind"] for arrival in (first, second, third)] == ["message", "unparsed", "message"]
    assert "fault in this program" in second["error"]
    assert shop.get(f"/inbound/{second['id']}/raw").data == MIXED
    assert len(shop.get("/events").json["data"]) == 3
