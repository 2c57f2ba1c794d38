"""What arrived mails do to the messages that they are about, and what is told of it."""

from functools import partial
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from sqlalchemy import delete, update

from mailsvc import clock
from mailsvc.domain.bounce import Bounce
from mailsvc.domain.lifecycle import Change
from mailsvc.findings.again import Selection, reclassify
from mailsvc.inbound.classify import classify
from mailsvc.inbox import keep as keep_module
from mailsvc.mime.tokens import Purpose, envelope_id, plus_address, return_path
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.record import record
from mailsvc.store.mailbox_tables import arrival
from mailsvc.store.tables import message as message_table
from mailsvc.understand import mail as mail_module
from mailsvc.understand.reports import dsn as dsn_module
from tests.support.api import ApiHarness, Client
from tests.support.arriving import Inbox
from tests.support.mails import answer, complaint, report
from tests.support.messages import claim_all, sent_try, set_statuses, submit

ALICE, BOB = "alice@example.test", "bob@example.test"


@pytest.fixture
def shop(harness: ApiHarness) -> Client:
    client = harness.create_app("shop")
    relay = {
        "name": "main",
        "host": "127.0.0.1",
        "port": 2525,
        "tls": "none",
        "default": True,
        "return_path": "bounces@app.test",
    }
    assert client.post("/relays", relay).status_code == 201
    return client


@pytest.fixture
def inbox(harness: ApiHarness, shop: Client) -> Inbox:
    return Inbox(harness, shop)


@pytest.fixture
def key(harness: ApiHarness) -> bytes:
    return harness.services.vault.signing_keys[0]


def sent(harness: ApiHarness, client: Client, *to: str, said: str = "OK", **fields: Any) -> dict[str, Any]:
    """A message that its relay accepted."""
    message = submit(client, *(to or (ALICE,)), **fields)
    accepted = msgspec.structs.replace(sent_try(), text=said)
    outcomes = [Outcome(held.id, Change.SENT, held.lease_token, accepted) for held in claim_all(harness)]
    with harness.database.write() as connection:
        record(connection, outcomes, now=harness.database.now())
    return message


def statuses(client: Client, message: dict[str, Any]) -> list[str]:
    return [d["status"] for d in client.get(f"/messages/{message['id']}").json["deliveries"]]


def told(client: Client, *, since: str = "message.sent") -> list[dict[str, Any]]:
    """The events after the last of this type."""
    events = client.get("/events?after=beginning&limit=200").json["data"]
    last = max((n for n, event in enumerate(events) if event["type"] == since), default=-1)
    return list(events[last + 1 :])


def suppressed(client: Client) -> list[str]:
    return [one["address"] for one in client.get("/suppressions").json["data"]]


# Each step of the matching, alone


def clue_of(evidence: str, message: dict[str, Any], key: bytes) -> dict[str, Any]:
    """The arguments of a report in which only this clue names the message."""
    (delivery,) = message["deliveries"]
    match evidence:
        case "verp":
            return {"to": return_path("bounces@app.test", delivery["id"], key)}
        case "envid":
            return {"envelope_id": envelope_id(delivery["id"], key)}
        case "message_id":
            return {"message_id": message["message_id"]}
        case "relay_message_id":
            return {"message_id": "<0102018c-given@relay.test>"}
        case "in_reply_to":
            return {"headers": [("In-Reply-To", message["message_id"])]}
        case "references":
            return {"headers": [("References", f"<other@app.test> {message['message_id']}")]}
    raise AssertionError(evidence)


@pytest.mark.parametrize("evidence", ["verp", "envid", "message_id", "relay_message_id", "in_reply_to", "references"])
def test_a_bounce_finds_its_delivery_by_each_clue(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes, evidence: str
) -> None:
    message = sent(harness, shop, said="250 <0102018c-given@relay.test> queued")
    inbox.arrive(report(ALICE, **clue_of(evidence, message, key)))
    (event, *rest) = told(shop)
    (arrival_,) = shop.get(f"/inbound?message={message['id']}").json["data"]
    is_signed = evidence in ("verp", "envid")

    assert statuses(shop, message) == ["bounced"]
    assert event["type"] == "message.bounced"
    assert event["data"]["evidence"] == [evidence, "recipient"]
    assert event["data"]["arrival_id"] == arrival_["id"]
    assert event["data"]["bounce"] == {
        "type": "hard",
        "reason": "mailbox_unknown",
        "source": "dsn",
        "enhanced_code": "5.1.1",
        "code": 550,
        "diagnostic": event["data"]["bounce"]["diagnostic"],
        "remote_mta": "mx2.example.test",
        "reporting_mta": "mx.example.test",
        "recipient": ALICE,
    }
    assert [one["type"] for one in rest] == (["suppression.added"] if is_signed else [])
    assert suppressed(shop) == ([ALICE] if is_signed else [])
    assert arrival_["findings"] == [
        {
            "kind": "bounce",
            "recipient": ALICE,
            "message_id": message["id"],
            "delivery_id": message["deliveries"][0]["id"],
            "bounce": event["data"]["bounce"],
            "evidence": [evidence, "recipient"],
            "applied": True,
        }
    ]


def test_a_reply_finds_its_delivery_by_the_token_in_reply_to(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    message = sent(harness, shop)
    inbox.arrive(
        answer("Alice <other@example.test>", to=plus_address("shop@app.test", message["id"], Purpose.REPLY, key))
    )
    (event,) = told(shop)

    assert event["type"] == "message.replied"
    assert event["data"]["evidence"] == ["reply_token"]
    assert event["data"]["delivery_id"] == message["deliveries"][0]["id"]
    assert event["data"]["text"].strip() == "Yes, please."
    assert statuses(shop, message) == ["sent"]


# Forgeries


def altered(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local[:-1]}{'0' if local[-1] != '0' else '1'}@{domain}"


@pytest.mark.parametrize(
    "forgery", ["altered", "of another purpose", "old", "wrong recipient", "nobody", "another app"]
)
def test_a_forged_bounce_changes_nothing_and_is_told(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes, forgery: str
) -> None:
    """No delivery changes, nobody is suppressed."""
    message = sent(harness, shop)
    path = return_path("bounces@app.test", message["deliveries"][0]["id"], key)
    recipients, given, target = [ALICE], {}, inbox
    match forgery:
        case "altered":
            given = {"to": altered(path), "message_id": message["message_id"]}
        case "of another purpose":
            given = {"to": plus_address("bounces@app.test", message["id"], Purpose.REPLY, key)}
        case "old":
            old = harness.database.now() - 61 * clock.DAY
            with harness.database.write() as connection:
                connection.execute(update(message_table).values(created_at=old))
            given = {"to": path}
        case "wrong recipient":
            recipients, given = [BOB], {"message_id": message["message_id"]}
        case "nobody":
            recipients, given = ["nobody"], {"message_id": message["message_id"]}
        case "another app":
            other = harness.create_app("other")
            target, given = Inbox(harness, other), {"to": path, "message_id": message["message_id"]}
    target.arrive(report(*recipients, **given))
    reader = other if forgery == "another app" else shop
    (event,) = told(reader)

    assert statuses(shop, message) == ["sent"]
    assert suppressed(shop) == suppressed(reader) == []
    assert event["type"] == "inbound.unmatched_bounce"
    assert (event["data"]["message_id"], event["data"]["delivery_id"], event["data"]["text"]) == (None, None, None)
    assert event["data"]["bounce"]["reason"] == "mailbox_unknown"


# Consequences


def test_a_signed_bounce_counts_whatever_address_it_names(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    """Mail is forwarded: the delivery's own address is suppressed, the reported one is shown."""
    message = sent(harness, shop)
    inbox.arrive(report("forwarded@other.test", **clue_of("verp", message, key)))
    event = told(shop)[0]

    assert statuses(shop, message) == ["bounced"]
    assert (event["data"]["recipient"], event["data"]["bounce"]["recipient"]) == (ALICE, "forwarded@other.test")
    assert suppressed(shop) == [ALICE]


@pytest.mark.parametrize(
    ("status", "diagnostic", "reason"),
    [
        ("5.2.2", "552 5.2.2 mailbox full", "mailbox_full"),
        ("5.7.1", "550 5.7.1 rejected by policy", "policy_rejected"),
        ("5.4.7", "delivery time expired", "expired"),
    ],
)
def test_a_soft_bounce_is_final_and_suppresses_nobody(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes, status: str, diagnostic: str, reason: str
) -> None:
    message = sent(harness, shop)
    inbox.arrive(report(ALICE, status=status, diagnostic=diagnostic, **clue_of("verp", message, key)))
    (event,) = told(shop)

    assert statuses(shop, message) == ["bounced"]
    assert (event["data"]["bounce"]["type"], event["data"]["bounce"]["reason"]) == ("soft", reason)
    assert suppressed(shop) == []


def test_the_fifth_full_mailbox_in_a_row_suppresses(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    """As ``MAILSVC_SOFT_BOUNCE_LIMIT`` says."""
    counts = []
    for _ in range(5):
        message = sent(harness, shop)
        full = {"status": "5.2.2", "diagnostic": "552 5.2.2 mailbox full"}
        inbox.arrive(report(ALICE, **full, **clue_of("verp", message, key)))
        counts.append(len(suppressed(shop)))
    (entry,) = shop.get("/suppressions").json["data"]

    assert counts == [0, 0, 0, 0, 1]
    assert (entry["reason"], entry["note"]) == ("hard_bounce", "mailbox_full 5 times within 14 days")


def test_a_message_id_suppresses_where_no_signed_path_was_used(harness: ApiHarness, inbox: Inbox, shop: Client) -> None:
    (relay,) = shop.get("/relays").json["data"]
    assert shop.patch(f"/relays/{relay['id']}", {"return_path": None}).status_code == 200
    message = sent(harness, shop)
    inbox.arrive(report(ALICE, message_id=message["message_id"]))

    assert statuses(shop, message) == ["bounced"]
    assert suppressed(shop) == [ALICE]


def test_a_repeated_bounce_is_an_ordinary_arrival(harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes) -> None:
    message = sent(harness, shop)
    bounce = report(ALICE, **clue_of("verp", message, key))
    inbox.arrive(bounce, bounce)
    events = told(shop, since="suppression.added")
    first, second = reversed(shop.get("/inbound").json["data"])

    assert [(e["type"], e["data"]["kind"], e["data"]["message_id"]) for e in told(shop)[:1] + events] == [
        ("message.bounced", "bounce", message["id"]),
        ("inbound.received", "bounce", message["id"]),
    ]
    assert (first["findings"][0]["applied"], second["findings"][0]["applied"]) == (True, False)


def test_success_then_failure_of_one_mail_group_are_both_recorded(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    """A forwarder reported success before the next server bounced it."""
    message = sent(harness, shop)
    clue = clue_of("verp", message, key)
    inbox.arrive(report(ALICE, action="delivered", status="2.0.0", diagnostic="250 ok", **clue), report(ALICE, **clue))

    assert [event["type"] for event in told(shop)] == ["message.delivered", "message.bounced", "suppression.added"]
    assert statuses(shop, message) == ["bounced"]


@pytest.mark.parametrize("action", ["relayed", "expanded"])
def test_a_relayed_message_is_not_delivered(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes, action: str
) -> None:
    message = sent(harness, shop)
    inbox.arrive(report(ALICE, action=action, status="2.0.0", diagnostic="250 ok", **clue_of("verp", message, key)))
    (event,) = told(shop)

    assert (event["type"], event["data"]["kind"], event["data"]["message_id"]) == (
        "inbound.received",
        "receipt",
        message["id"],
    )
    assert statuses(shop, message) == ["sent"]


def test_a_delay_is_told_and_changes_nothing(harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes) -> None:
    message = sent(harness, shop, tags=["receipt"], metadata={"order": "17"})
    delay = {"action": "delayed", "status": "4.4.1", "diagnostic": "451 4.4.1 no answer"}
    inbox.arrive(report(ALICE, **delay, **clue_of("verp", message, key)))
    (event,) = told(shop)
    data = event["data"]

    assert (event["type"], data["status"], data["recipient"]) == ("message.delayed", "sent", ALICE)
    assert (data["tags"], data["metadata"]) == (["receipt"], {"order": "17"})
    assert event["sequence"] == 3
    assert statuses(shop, message) == ["sent"]


def test_a_complaint_suppresses_at_once(harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes) -> None:
    message = sent(harness, shop)
    path = return_path("bounces@app.test", message["deliveries"][0]["id"], key)
    inbox.arrive(complaint(None, return_path=path))
    (event, added) = told(shop)

    assert (event["type"], event["data"]["evidence"]) == ("message.complained", ["verp"])
    assert (added["data"]["address"], added["data"]["reason"], added["data"]["event_id"]) == (
        ALICE,
        "complaint",
        event["id"],
    )
    assert statuses(shop, message) == ["complained"]


def test_a_redacted_complaint_is_found_by_its_message_id(harness: ApiHarness, shop: Client, inbox: Inbox) -> None:
    """The recipient of a message that has only one is known."""
    message = sent(harness, shop)
    inbox.arrive(complaint(None, message_id=message["message_id"]))

    assert statuses(shop, message) == ["complained"]


def test_one_report_about_several_recipients_of_one_message(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    """A transaction without a signed return path: the envelope id names the message."""
    message = sent(harness, shop, ALICE, BOB, "carol@example.test")
    inbox.arrive(report(ALICE, BOB, "dave@example.test", envelope_id=envelope_id(message["id"], key)))
    events = told(shop)

    assert statuses(shop, message) == ["bounced", "bounced", "sent"]
    assert [event["data"]["recipient"] for event in events if event["type"] == "message.bounced"] == [ALICE, BOB]
    assert [event["data"]["recipient"] for event in events if event["type"] == "inbound.unmatched_bounce"] == [
        "dave@example.test"
    ]


def test_the_original_recipient_is_the_one_that_we_know(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    message = sent(harness, shop, ALICE, BOB)
    inbox.arrive(report("b@other.test", original="BOB@Example.test", envelope_id=envelope_id(message["id"], key)))

    assert statuses(shop, message) == ["sent", "bounced"]


@pytest.mark.parametrize("field", ["To", "Subject", "text"])
def test_a_long_report_about_many_recipients_is_told_with_little_content(
    harness: ApiHarness, shop: Client, inbox: Inbox, field: str
) -> None:
    """Anybody can send such: the events must not take hundreds of times its size."""
    strangers = [f"stranger{n}@example.test" for n in range(500)]
    bounce = report(*strangers)
    if field == "text":
        bounce = bounce.replace(b"This is a delivery report.", b"words " * 40_000)
    else:
        long = ", ".join(f"long{n}{'x' * 50}@example.test" for n in range(900))
        bounce = f"{field}: {long}\r\n".encode() + bounce.replace(f"{field}: ".encode(), b"X: ")
    inbox.arrive(bounce)
    bodies = [msgspec.json.encode(one) for one in all_events(shop)]
    (arrival_,) = shop.get("/inbound").json["data"]

    assert len(bodies) == 500
    assert sum(map(len, bodies)) < 20 * len(bounce)
    assert len(arrival_["findings"]) == 500
    assert field != "To" or len(arrival_["to"]) == 900


def all_events(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := client.get(f"/events?after={found[-1]['id'] if found else 'beginning'}&limit=200").json["data"]:
        found += page
    return found


@pytest.mark.parametrize(
    ("sent_to", "reported"),
    [
        ("alice@example.test", '"alice"@example.test'),
        ("alice@example.test", "ALICE@Example.Test."),
        ("us@münchen.example", "us@münchen.example"),
        ("us@münchen.example", "us@xn--mnchen-3ya.example"),
        ("jürgen@example.test", "utf-8; J\\x{FC}RGEN@example.test"),
        ('"a b"@example.test', '"a b"@example.test'),
        ("a+tag@example.test", "a+2Btag@example.test"),
        ("a=b@example.test", "a+3Db@example.test"),
    ],
)
def test_the_original_recipient_is_known_in_every_spelling(
    harness: ApiHarness, shop: Client, inbox: Inbox, sent_to: str, reported: str
) -> None:
    """Internationalised domains, quoted local parts, and the encodings of RFC 3461 and RFC 6533."""
    message = sent(harness, shop, sent_to, BOB)
    bounce = report("elsewhere@other.test", original=reported, message_id=message["message_id"])
    inbox.arrive(bounce.replace(b"rfc822; utf-8; ", b"utf-8; "))

    assert statuses(shop, message) == ["bounced", "sent"]


@pytest.mark.parametrize(
    "field",
    [
        "To: x@app.test ({})",
        'To: "{}" <x@app.test>',
        "To: =?utf-8?q?a=2C_{}=2C?= <x@app.test>",
        "Received: from mx.test by mail.test for <{}>; Fri, 27 Nov 2026 10:00:00 +0100",
        "Subject: {}",
    ],
)
def test_a_signed_address_counts_only_where_it_is_an_envelope_recipient(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes, field: str
) -> None:
    message = sent(harness, shop)
    path = return_path("bounces@app.test", message["deliveries"][0]["id"], key)
    bounce = report(ALICE).replace(b"Delivered-To: bounces@app.test\r\nFrom", field.format(path).encode() + b"\r\nFrom")
    inbox.arrive(bounce.replace(b"To: bounces@app.test\r\n", b""))

    assert statuses(shop, message) == ["sent"]


@pytest.mark.parametrize(
    "rewritten",
    [
        "SRS0=HHHH=TT=app.test={}@forwarder.test",
        "SRS1=HHHH=other.test==HHHH=TT=app.test={}@forwarder.test",
        "prvs=0123456789={}@app.test",
    ],
)
def test_a_signed_return_path_is_known_when_servers_rewrote_it(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes, rewritten: str
) -> None:
    message = sent(harness, shop)
    path = return_path("bounces@app.test", message["deliveries"][0]["id"], key)
    inbox.arrive(report("forwarded@other.test", to=rewritten.format(path.partition("@")[0].upper())))

    assert statuses(shop, message) == ["bounced"]


# Bounces that come early


@pytest.mark.parametrize("status", ["queued", "deferred", "sending"])
def test_a_bounce_that_comes_before_the_relays_reply_waits_for_it(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes, status: str
) -> None:
    message = submit(shop)
    set_statuses(harness, message["id"], (status,))
    inbox.arrive(report(ALICE, **clue_of("verp", message, key)))
    before = told(shop, since="message.queued"), shop.get("/inbound").json["data"][0]["kind"]
    set_statuses(harness, message["id"], ("sent",))
    due(harness)
    inbox.recheck()

    assert before == ([], "bounce")
    assert [event["type"] for event in told(shop, since="message.queued")] == ["message.bounced", "suppression.added"]
    assert statuses(shop, message) == ["bounced"]


def test_a_bounce_of_a_message_that_is_never_sent_is_unmatched_after_an_hour(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    message = submit(shop)
    inbox.arrive(report(ALICE, **clue_of("verp", message, key)))
    due(harness)
    inbox.recheck()
    waiting = told(shop, since="message.queued")
    due(harness, received_at=harness.database.now() - 1 * clock.HOUR)
    inbox.recheck()

    assert waiting == []
    assert [event["type"] for event in told(shop, since="message.queued")] == ["inbound.unmatched_bounce"]
    assert statuses(shop, message) == ["queued"]


def due(harness: ApiHarness, **values: Any) -> None:
    """What waits is due to be looked at again."""
    with harness.database.write() as connection:
        connection.execute(update(arrival).where(arrival.c.recheck_at.is_not(None)).values(recheck_at=0, **values))


# Answers


def test_a_reply_is_told_with_its_new_words(harness: ApiHarness, shop: Client, inbox: Inbox) -> None:
    message = sent(harness, shop, ALICE, BOB)
    text = "Yes, please.\n\nOn Fri, 27 Nov 2026 at 10:00, Shop <shop@app.test> wrote:\n> Hello."
    inbox.arrive(answer("Bob <BOB@example.test>", text=text, headers=[("In-Reply-To", message["message_id"])]))
    (event,) = told(shop)
    data = event["data"]

    assert (event["type"], data["kind"], data["text"]) == ("message.replied", "reply", "Yes, please.")
    assert "> Hello." in data["quoted"]
    assert (data["recipient"], data["delivery_id"]) == (BOB, message["deliveries"][1]["id"])
    assert data["evidence"] == ["in_reply_to", "recipient"]


OTHERS = " ".join(f"<{n}@example.test>" for n in range(150))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("In-Reply-To", "<a@example.test> {}"),
        ("In-Reply-To", "Your message of Monday {}"),
        ("In-Reply-To", "{bare}"),
        ("References", f"{OTHERS} {{}}"),
        ("References", f"{{}} {OTHERS}"),
    ],
)
def test_a_reply_finds_our_message_among_others(
    harness: ApiHarness, shop: Client, inbox: Inbox, field: str, value: str
) -> None:
    """We may have begun a long conversation, or be one of several whom it answers."""
    message = sent(harness, shop)
    ours = message["message_id"]
    inbox.arrive(answer(ALICE, headers=[(field, value.format(ours, bare=ours.strip("<>")))]))
    (event,) = told(shop)

    assert (event["type"], event["data"]["message_id"]) == ("message.replied", message["id"])


def test_a_reply_from_another_address_is_told_without_a_delivery(
    harness: ApiHarness, shop: Client, inbox: Inbox
) -> None:
    message = sent(harness, shop, ALICE, BOB)
    inbox.arrive(answer("carol@example.test", headers=[("References", message["message_id"])]))
    (event,) = told(shop)

    assert (event["data"]["message_id"], event["data"]["delivery_id"], event["data"]["recipient"]) == (
        message["id"],
        None,
        None,
    )


AUTOMATIC = ("Auto-Submitted", "auto-replied")


def test_a_vacation_note_is_an_automatic_answer(harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes) -> None:
    message = sent(harness, shop)
    path = return_path("bounces@app.test", message["deliveries"][0]["id"], key)
    inbox.arrive(answer(ALICE, to=path, text="I am away.", headers=[AUTOMATIC]))
    (event,) = told(shop)

    assert (event["type"], event["data"]["auto_reply"]) == ("message.auto_replied", True)
    assert statuses(shop, message) == ["sent"]


def test_an_automatic_answer_to_nothing_of_ours_is_an_arrival(shop: Client, inbox: Inbox) -> None:
    inbox.arrive(answer(ALICE, headers=[AUTOMATIC]))
    (event,) = told(shop)

    assert (event["type"], event["data"]["kind"], event["data"]["auto_reply"]) == (
        "inbound.received",
        "auto_reply",
        True,
    )


def test_a_person_who_writes_to_the_return_path_replies(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    message = sent(harness, shop)
    path = return_path("bounces@app.test", message["deliveries"][0]["id"], key)
    inbox.arrive(answer("someone@other.test", to=path))
    (event,) = told(shop)

    assert (event["type"], event["data"]["recipient"]) == ("message.replied", ALICE)


def test_two_mailboxes_of_one_account_tell_a_reply_once(harness: ApiHarness, shop: Client, inbox: Inbox) -> None:
    message = sent(harness, shop)
    second = Inbox(harness, shop, "again", username="support")
    reply = answer(ALICE, headers=[("In-Reply-To", message["message_id"])])
    inbox.arrive(reply)
    second.arrive(reply)

    assert [event["type"] for event in told(shop)] == ["message.replied", "inbound.received"]


def test_twins_tell_a_reply_once_in_whatever_order_they_are_stored(
    harness: ApiHarness, shop: Client, inbox: Inbox
) -> None:
    """The older id is stored later where two processes store the mail at the same time."""
    message = sent(harness, shop)
    second = Inbox(harness, shop, "again", username="support")
    reply = answer(ALICE, headers=[("In-Reply-To", message["message_id"])])
    inbox.arrive(reply)
    with patch.object(keep_module, "new_id", lambda prefix: f"{prefix}_{'0' * 26}"):
        second.arrive(reply)

    assert [event["type"] for event in told(shop)] == ["message.replied", "inbound.received"]
    assert read_again(harness, inbox) == []


# Unsubscribing by mail


@pytest.mark.parametrize(("tags", "tag"), [(["news", "weekly"], "news"), ([], None)])
def test_a_mail_to_the_unsubscribe_address_suppresses(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes, tags: list[str], tag: str | None
) -> None:
    message = sent(harness, shop, tags=tags)
    address = plus_address("leave@app.test", message["deliveries"][0]["id"], Purpose.UNSUBSCRIBE, key)
    inbox.arrive(answer(ALICE, to=address))
    (event, added) = told(shop)

    assert (event["type"], event["data"]["kind"]) == ("inbound.received", "unsubscribe")
    assert (added["type"], added["data"]["address"], added["data"]["tag"]) == ("suppression.added", ALICE, tag)
    assert (added["data"]["reason"], added["data"]["event_id"]) == ("unsubscribe", event["id"])


# Reading again by other rules


def read_again(harness: ApiHarness, inbox: Inbox, *, dry_run: bool = False, **wanted: Any) -> list[Any]:
    found = reclassify(
        harness.database,
        partial(classify, keys=inbox.recorder.keys),
        Selection(**wanted),
        terms=inbox.recorder.terms,
        is_dry_run=dry_run,
    )
    return [one for page in found if not isinstance(page, int) for one in page]


def test_reading_again_by_the_same_rules_changes_nothing(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    message = sent(harness, shop)
    inbox.arrive(
        report(ALICE, **clue_of("verp", message, key)), report(BOB), answer(ALICE), answer(BOB, headers=[AUTOMATIC])
    )
    inbox.arrive(answer(ALICE, headers=[("In-Reply-To", message["message_id"])]), b"")
    before = told(shop), shop.get("/inbound").json

    assert read_again(harness, inbox) == []
    assert (told(shop), shop.get("/inbound").json) == before


def test_what_is_seen_differently_is_applied_once(harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes) -> None:
    """As after an upgrade that understands a form of bounce which was an ordinary mail before."""
    message = sent(harness, shop)
    with patch.object(mail_module, "read_report", lambda *_: None):
        inbox.arrive(report(ALICE, **clue_of("verp", message, key)))
    before = [event["type"] for event in told(shop)]
    shown = read_again(harness, inbox, dry_run=True)
    after_dry_run = statuses(shop, message)
    (changed,), again = read_again(harness, inbox), read_again(harness, inbox)
    (arrival_,) = shop.get("/inbound").json["data"]

    assert before == ["message.auto_replied"]
    assert [(one.before, one.after, one.events) for one in shown] == [("auto_reply", "bounce", 1)]
    assert after_dry_run == ["sent"]
    assert (changed.id, again) == (arrival_["id"], [])
    assert statuses(shop, message) == ["bounced"]
    assert (arrival_["kind"], arrival_["auto_reply"], arrival_["findings"][0]["applied"]) == ("bounce", False, True)
    assert [event["type"] for event in told(shop)][1:] == ["message.bounced", "suppression.added"]


def test_a_bounce_that_was_applied_does_not_end_a_later_try(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    """Its reason is seen differently after the application has sent the message again."""
    message = sent(harness, shop)
    bounce = report(ALICE, status="5.7.1", diagnostic="550 5.7.1 rejected by policy", **clue_of("verp", message, key))
    inbox.arrive(bounce)
    set_statuses(harness, message["id"], ("sent",))
    with patch.object(dsn_module, "diagnose", lambda *given: Bounce("hard", "mailbox_unknown", "dsn")):
        (changed,) = read_again(harness, inbox)
    (arrival_,) = shop.get("/inbound").json["data"]

    assert changed.findings[0].bounce is not None
    assert statuses(shop, message) == ["sent"]
    assert suppressed(shop) == []
    assert [event["type"] for event in told(shop)] == ["message.bounced", "inbound.received"]
    assert (arrival_["findings"][0]["bounce"]["reason"], arrival_["findings"][0]["applied"]) == (
        "mailbox_unknown",
        True,
    )


def test_only_the_wanted_arrivals_are_read_again(harness: ApiHarness, shop: Client, inbox: Inbox) -> None:
    with patch.object(mail_module, "read_report", lambda *_: None):
        inbox.arrive(report(ALICE), report(BOB))
    first, second = [one["id"] for one in reversed(shop.get("/inbound").json["data"])]

    assert [one.id for one in read_again(harness, inbox, dry_run=True, ids=(second,))] == [second]
    assert [one.id for one in read_again(harness, inbox, dry_run=True, kinds=("auto_reply",))] == [first, second]
    assert read_again(harness, inbox, kinds=("reply",)) == []
    assert read_again(harness, inbox, since=harness.database.now() + 1) == []


def test_what_was_matched_before_stays_so_when_its_message_is_gone(
    harness: ApiHarness, shop: Client, inbox: Inbox, key: bytes
) -> None:
    message = sent(harness, shop)
    inbox.arrive(
        report(ALICE, **clue_of("verp", message, key)), answer(ALICE, headers=[("In-Reply-To", message["message_id"])])
    )
    with harness.database.write() as connection:
        connection.execute(delete(message_table))

    assert read_again(harness, inbox) == []
