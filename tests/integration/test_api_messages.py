"""Messages as applications read and steer them: lists, filters, one message, and what may be done to it."""

import base64
import threading
from email import message_from_bytes
from email.policy import default
from itertools import combinations
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, update
from sqlalchemy import event as hooks

from mailsvc import clock
from mailsvc.api.actions import MessageActionResult
from mailsvc.api.message_objects import AttemptPage, MessageEventPage, MessageObject
from mailsvc.domain.lifecycle import Change, Status, message_status
from mailsvc.outcomes.expire import expire_due
from mailsvc.store.tables import body, delivery, message
from tests.support.api import ApiHarness, Client
from tests.support.messages import claim_all, set_statuses, settle, submit, take_all, writer


def listed(client: Client, query: str = "") -> list[str]:
    """The ids that a list shows."""
    answer = client.get(f"/messages?{query}")
    assert answer.status_code == 200, answer.json
    return [m["id"] for m in answer.json["data"]]


def shown(client: Client, id_: str) -> dict[str, Any]:
    answer = client.get(f"/messages/{id_}")
    assert answer.status_code == 200, answer.json
    return dict(answer.json)


class TestObject:
    def test_a_message_shows_what_was_submitted(self, shop: Client) -> None:
        """What was handed in, less the contents, and where each delivery stands."""
        file = {"filename": "a.pdf", "content_type": "application/pdf", "content": base64.b64encode(b"12345").decode()}
        made = submit(
            shop, cc="Carol <carol@example.test>", bcc=["dave@example.test"], tags=["receipt"], attachments=[file],
            metadata={"order": "17"}, headers={"X-Order": "17"}, priority="high", expires_in=600,
        )  # fmt: skip
        found = shown(shop, made["id"])
        msgspec.convert(found, MessageObject, strict=True)

        assert {
            "from": "Shop <orders@app.test>", "to": ["alice@example.test"], "cc": ["Carol <carol@example.test>"],
            "bcc": ["dave@example.test"], "subject": "Hi", "tags": ["receipt"], "metadata": {"order": "17"},
            "headers": {"X-Order": "17"}, "priority": "high", "expires_in": 600, "scheduled_at": None, "relay": "main",
            "id": made["id"], "message_id": made["message_id"], "status": "queued", "created_at": made["created_at"],
        }.items() <= found.items()  # fmt: skip
        assert found["attachments"] == [
            {"filename": "a.pdf", "content_type": "application/pdf", "size": 5, "content_id": None, "disposition": None}
        ]
        assert [(d["recipient"], d["kind"]) for d in found["deliveries"]] == [
            ("alice@example.test", "to"), ("carol@example.test", "cc"), ("dave@example.test", "bcc"),
        ]  # fmt: skip

    @pytest.mark.parametrize("name", ['"Last, First"', '"Quote \\" d"', "Dr. Zoë", '"a@b"', '"(x)"', '"back\\\\slash"'])
    def test_addresses_are_shown_in_a_form_that_is_accepted(self, shop: Client, name: str) -> None:
        """What a message shows can be handed in again, and quotes are kept to names that need them."""
        address = f"{name} <a@example.test>"
        found = shown(shop, submit(shop, address, cc=address, reply_to=address, **{"from": address})["id"])

        assert [found["from"], *found["to"], *found["cc"], *found["reply_to"]] == [address] * 4

    def test_a_raw_message_shows_its_addresses_the_same_way(self, shop: Client) -> None:
        """Also who got a blind copy, and a Message-ID of the sender's own domain."""
        mail = b'From: Shop <a@app.test>\r\nTo: Al <b@c.test>, "D, E" <d@c.test>\r\nBcc: F <f@c.test>\r\n\r\nHi\r\n'
        made = shop.call("POST", "/messages", data=mail, content_type="message/rfc822").json
        found = shown(shop, made["id"])

        assert (found["to"], found["bcc"]) == (["Al <b@c.test>", '"D, E" <d@c.test>'], ["f@c.test"])
        assert made["message_id"].endswith("@app.test>")

    def test_content_comes_only_when_asked_for(self, shop: Client) -> None:
        """Texts are for who asks for them, as they were written."""
        id_ = submit(shop, text="Grüße\nline", html="<b>ß</b>")["id"]
        whole = shop.get(f"/messages/{id_}?include=content").json

        assert "text" not in shown(shop, id_)
        assert (whole["text"], whole["html"]) == ("Grüße\nline", "<b>ß</b>")

    @pytest.mark.parametrize("text", ["", "Hi", "Hi\n", "\n", "é", "é\n", "a\n\n", " a \t", "=41" * 40, "ü" * 300])
    def test_no_line_break_is_added_to_a_text(self, shop: Client, text: str) -> None:
        """Also where the text is all of the message, which then ends as SMTP wants."""
        both, alone = {"text": text, "html": text}, {"text": text}
        for fields in (both, alone, {"html": text, "text": None}):
            id_ = submit(shop, **fields)["id"]
            whole = shop.get(f"/messages/{id_}?include=content").json
            assert (whole["text"], whole["html"]) == (fields.get("text"), fields.get("html"))

    def test_a_deleted_body_is_reported(self, harness: ApiHarness, shop: Client) -> None:
        """After retention the facts remain; content is null, raw is not there."""
        id_ = submit(shop)["id"]
        with harness.database.write() as connection:
            connection.execute(delete(body))
        whole = shop.get(f"/messages/{id_}?include=content").json

        assert (whole["text"], whole["html"]) == (None, None)
        assert shop.get(f"/messages/{id_}/raw").status_code == 404

    def test_a_reply_references_its_thread(self, shop: Client) -> None:
        """In-Reply-To names the message that is answered, References all before it, however each was handed in."""
        mail = b"From: a@app.test\r\nTo: b@c.test\r\nIn-Reply-To: <zero@c.test>\r\n\r\nHi\r\n"
        answers = [shop.call("POST", "/messages", data=mail, content_type="message/rfc822").json]
        answers += [submit(shop, in_reply_to=answers[0]["id"])]
        answers += [submit(shop, in_reply_to=answers[1]["id"])]
        found = message_from_bytes(shop.get(f"/messages/{answers[2]['id']}/raw").data, policy=default)

        assert found["In-Reply-To"] == answers[1]["message_id"]
        assert found["References"].split() == ["<zero@c.test>", answers[0]["message_id"], answers[1]["message_id"]]
        assert shown(shop, answers[2]["id"])["in_reply_to"] == answers[1]["id"]

    def test_a_thread_survives_a_deleted_body(self, harness: ApiHarness, shop: Client) -> None:
        """Its last message is still known."""
        parent = submit(shop)
        with harness.database.write() as connection:
            connection.execute(delete(body))
        answer = submit(shop, in_reply_to=parent["id"])

        assert f"References: {parent['message_id']}\r\n".encode() in shop.get(f"/messages/{answer['id']}/raw").data

    def test_raw_is_what_is_sent(self, shop: Client) -> None:
        """The frozen bytes, as message/rfc822."""
        made = submit(shop)
        answer = shop.get(f"/messages/{made['id']}/raw")

        assert answer.headers["Content-Type"] == "message/rfc822"
        assert f"Message-ID: {made['message_id']}\r\n".encode() in answer.data

    def test_attempts_and_the_next_attempt_are_shown(self, harness: ApiHarness, shop: Client) -> None:
        """A deferral shows its reply and when it will be tried again."""
        made = submit(shop)
        settle(harness, claim_all(harness)[0], Change.DEFER, code=451, due_in=clock.MINUTE)
        answer = shop.get(f"/messages/{made['id']}/attempts").json
        msgspec.convert(answer, AttemptPage, strict=True)
        (entry,) = shown(shop, made["id"])["deliveries"]

        assert [(a["id"], a["number"], a["code"]) for a in answer["data"]] == [
            (f"att_{made['deliveries'][0]['id'][4:]}_1", 1, 451)
        ]
        assert (entry["status"], entry["attempts"], entry["last_smtp"]["code"]) == ("deferred", 1, 451)
        assert entry["next_attempt_at"] > entry["updated_at"]

    def test_attempts_are_paged(self, harness: ApiHarness, shop: Client) -> None:
        """Like every list: each once, oldest first, until there is no cursor."""
        path = f"/messages/{submit(shop, 'a@example.test', 'b@example.test')['id']}/attempts"
        for _ in range(2):
            for row in claim_all(harness):
                settle(harness, row, Change.DEFER, code=451, due_in=0)
        whole = shop.get(path).json
        seen, cursor = [], ""
        while cursor is not None:
            page = shop.get(f"{path}?limit=1{cursor and '&cursor='}{cursor}").json
            seen += page["data"]
            cursor = page["next_cursor"]

        assert (seen, len(seen), whole["next_cursor"]) == (whole["data"], 4, None)
        assert [a["number"] for a in seen] == [1, 1, 2, 2]
        for query in ("limit=0", "limit=201", "cursor=x", f"cursor={seen[0]['id']}9", "cursor="):
            answer = shop.get(f"{path}?{query}")
            assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, query.partition("=")[0])

    @pytest.mark.parametrize("status", ["held", "sending", "sent", "bounced", "canceled"])
    def test_only_pending_deliveries_have_a_next_attempt(self, harness: ApiHarness, shop: Client, status: str) -> None:
        """A lease is no promise of another try."""
        id_ = submit(shop)["id"]
        set_statuses(harness, id_, (status,))

        assert shown(shop, id_)["deliveries"][0]["next_attempt_at"] is None

    def test_its_events_are_counted_and_paged(self, harness: ApiHarness, shop: Client) -> None:
        """Oldest first, by sequence without gaps; the cursor leads on."""
        id_ = submit(shop)["id"]
        settle(harness, claim_all(harness)[0], Change.SENT)
        first = shop.get(f"/messages/{id_}/events?limit=1").json
        rest = shop.get(f"/messages/{id_}/events?limit=1&cursor={first['next_cursor']}").json
        msgspec.convert(first, MessageEventPage, strict=True)

        assert [(e["type"], e["sequence"]) for e in first["data"] + rest["data"]] == [
            ("message.queued", 1), ("message.sent", 2),
        ]  # fmt: skip
        assert rest["next_cursor"] is None

    def test_a_cursor_of_another_message_is_none_of_its_events(self, shop: Client) -> None:
        """Nothing would look like the end of the list."""
        one, other = submit(shop)["id"], submit(shop)["id"]
        foreign = shop.get(f"/messages/{other}/events").json["data"][0]["id"]
        answer = shop.get(f"/messages/{one}/events?cursor={foreign}")

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "cursor")


class TestList:
    def test_pages_are_stable_while_messages_are_added(self, shop: Client) -> None:
        """Who pages sees everything that was there exactly once, and nothing newer."""
        before = [submit(shop)["id"] for _ in range(7)]
        seen, cursor = [], ""
        while cursor is not None:
            page = shop.get(f"/messages?limit=2{cursor and '&cursor='}{cursor}").json
            seen += [m["id"] for m in page["data"]]
            cursor = page["next_cursor"]
            submit(shop)

        assert seen == before[::-1]

    def test_a_full_last_page_says_that_it_is_the_last(self, shop: Client) -> None:
        """No cursor to an empty page."""
        for _ in range(2):
            submit(shop)

        assert shop.get("/messages?limit=2").json["next_cursor"] is None

    def test_a_sparse_filter_fills_its_pages(self, harness: ApiHarness, shop: Client) -> None:
        """Filtered lists page like others, however much lies between."""
        wanted = [submit(shop, tags=["rare"] if n % 5 == 0 else [])["id"] for n in range(15)]
        first = shop.get("/messages?limit=2&tag=rare").json
        rest = listed(shop, f"limit=2&tag=rare&cursor={first['next_cursor']}")

        assert [m["id"] for m in first["data"]] + rest == [wanted[10], wanted[5], wanted[0]]

    def test_the_recipient_filter_ignores_case(self, shop: Client) -> None:
        """As suppressions do; twice the same is one message."""
        wanted = submit(shop, "Bob@example.test", "bob@example.test", "ann@example.test")["id"]

        for spelling in ("bob@example.test", "BOB@EXAMPLE.test"):
            assert listed(shop, f"recipient={spelling}") == [wanted]

    def test_a_page_costs_a_fixed_number_of_queries(self, harness: ApiHarness, shop: Client) -> None:
        """One query for messages, one for their deliveries, never one a row."""
        for _ in range(5):
            submit(shop)
        statements: list[str] = []
        engine, event, note = (
            harness.database._reader,
            "before_cursor_execute",
            lambda *args: statements.append(args[2]),
        )
        hooks.listen(engine, event, note)
        listed(shop)
        hooks.remove(engine, event, note)

        assert len([s for s in statements if "mailsvc_message" in s or "mailsvc_delivery" in s]) == 2

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0", "limit=201", "limit=x", "cursor=x", "cursor=evt_01arz3ndektsv4rrffq69g5fav", "colour=red",
            "status=lost", "since=yesterday", "until=2026-01-01", f"q={'x' * 1001}", "metadata=x",
        ],
    )  # fmt: skip
    def test_a_wrong_parameter_is_named(self, shop: Client, query: str) -> None:
        """A misspelt filter must not list everything."""
        answer = shop.get(f"/messages?{query}")

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, query.partition("=")[0])

    def test_too_many_filters_are_refused(self, shop: Client) -> None:
        """A condition too deep for the database is the client's fault, not an outage."""
        assert shop.get("/messages?" + "&".join(f"tag={n}" for n in range(1500))).status_code == 422

    def test_metadata_filters_belong_to_messages(self, shop: Client) -> None:
        """Elsewhere they are as unknown as any other name."""
        assert shop.get("/suppressions?metadata.a=1").status_code == 422


class TestFilters:
    @pytest.fixture
    def letters(self, shop: Client) -> dict[str, str]:
        made = {
            "a": submit(
                shop, "Alice <Alice@EXAMPLE.test>", tags=["receipt", "x,y"], metadata={"order": "17", "k": "v"}
            ),
            "b": submit(shop, "bob@example.test", tags=["alert"], metadata={"order": "18"}, subject="Über 100% neu"),
            "c": submit(shop, "carol@example.test", **{"from": "Ops <ops@app.test>"}, subject='say "hi"'),
        }
        return {name: letter["id"] for name, letter in made.items()}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("tag=receipt", "a"), ("tag=receipt&tag=alert", "ba"), ("tag=Receipt", ""), ("tag=,", ""), ("tag=x,y", "a"),
            ("tag=rec%25", ""), ("metadata.order=17", "a"), ("metadata.order=17&metadata.order=18", "ba"),
            ("metadata.order=17&metadata.k=w", ""), ("metadata.Order=17", ""), ("metadata.order=1_", ""),
            ("recipient=bob@example.test", "b"), ("recipient=BOB@Example.TEST", "b"),
            ("recipient=Alice@EXAMPLE.test", "a"), ("recipient=bob@example.test&recipient=carol@example.test", "cb"),
            ("recipient=bob@example.test&tag=receipt", ""), ("from=ops@", "c"), ("from=OPS", "c"), ("from=app.test", "cba"),
            ("q=Über", "b"), ("q=100%25", "b"), ("q=1__%25", ""), ('q="hi"', "c"), ("q=CAROL", "c"),
            ("q=attachments", ""), ("q=reply_to", ""), ("status=queued", "cba"), ("status=held", ""),
        ],
    )  # fmt: skip
    def test_filters_find_exactly_what_they_name(
        self, shop: Client, letters: dict[str, str], query: str, found: str
    ) -> None:
        """One name several times is OR, several names are AND; wildcards and case of the database mean nothing."""
        assert listed(shop, query) == [letters[name] for name in found]

    def test_an_id_finds_its_message(self, shop: Client, letters: dict[str, str]) -> None:
        """Who pastes an id or a Message-ID into the search finds the message."""
        message_id = shown(shop, letters["b"])["message_id"]

        assert listed(shop, f"q={letters['b']}") == listed(shop, f"q={message_id}") == [letters["b"]]

    def test_time_bounds_include_their_beginning(self, shop: Client, letters: dict[str, str]) -> None:
        """since is at or after, until is before; two of a kind widen it, as OR does."""
        at = {name: shown(shop, id_)["created_at"] for name, id_ in letters.items()}

        assert listed(shop, f"since={at['b']}") == [letters["c"], letters["b"]]
        assert listed(shop, f"until={at['b']}") == [letters["a"]]
        assert listed(shop, f"since={at['c']}&since={at['b']}&until={at['c']}") == [letters["b"]]

    @pytest.mark.parametrize("offset", ["+02:00", "%2B02:00", "-02:00", "Z"])
    def test_offsets_may_be_written_with_a_bare_plus(self, shop: Client, offset: str) -> None:
        """A plus that was not percent-encoded arrives as a space."""
        assert shop.get(f"/messages?since=2026-01-31T12:00:00{offset}").status_code == 200

    def test_the_status_filter_agrees_with_the_status_shown(self, harness: ApiHarness, shop: Client) -> None:
        """For every mixture of two or three states, exactly one status finds the message: the one that it shows."""
        mixtures = [
            *combinations(Status, 2),
            ("held", "deferred", "sent"),
            ("sent", "bounced", "expired"),
            ("sent", "sent"),
        ]
        expected: dict[str, list[str]] = {}
        for mixture in mixtures:
            id_ = submit(shop, *(f"r{n}@example.test" for n in range(len(mixture))))["id"]
            set_statuses(harness, id_, tuple(map(str, mixture)))
            expected.setdefault(message_status(set(map(str, mixture))), []).insert(0, id_)

        for status in [*map(str, Status), "partial"]:
            assert listed(shop, f"limit=200&status={status}") == expected.get(status, []), status
        assert len(listed(shop, "limit=200&status=partial&status=held")) == len(expected["partial"] + expected["held"])


class TestOthers:
    def test_a_message_of_another_app_is_not_found(self, harness: ApiHarness, shop: Client) -> None:
        """Every route answers 404, and neither state nor lists tell of it."""
        path = f"/messages/{submit(shop)['id']}"
        bob = writer(harness, "bob")
        answers = [bob.get(path + view) for view in ("", "/events", "/attempts", "/raw")]
        answers += [bob.post(path + verb) for verb in ("/cancel", "/retry", "/hold", "/release")]
        answers.append(bob.patch(path, {"priority": "low"}))

        assert {(a.status_code, a.json["code"]) for a in answers} == {(404, "not_found")}
        assert listed(bob) == listed(bob, "recipient=alice@example.test") == []
        assert shown(shop, path.rpartition("/")[2])["status"] == "queued"

    def test_scopes_are_kept_apart(self, harness: ApiHarness, shop: Client) -> None:
        """A key that reads steers nothing, a key that sends reads nothing."""
        path = f"/messages/{submit(shop)['id']}"
        reader, sender = harness.client_of(shop.app_id, "read"), harness.client_of(shop.app_id, "send")
        refused = [reader.post(path + "/cancel"), reader.patch(path, {}), sender.get(path), sender.get("/messages")]

        assert {(a.status_code, a.json["code"]) for a in refused} == {(403, "insufficient_scope")}
        assert (reader.get(path).status_code, sender.post(path + "/cancel").status_code) == (200, 200)

    @pytest.mark.parametrize("view", ["", "/events", "/attempts", "/raw"])
    def test_unknown_parameters_are_refused(self, shop: Client, view: str) -> None:
        """Also where a route takes none at all."""
        assert shop.get(f"/messages/{submit(shop)['id']}{view}?colour=red").status_code == 422


class TestSteering:
    def test_cancel_answers_for_each_delivery(self, harness: ApiHarness, shop: Client) -> None:
        """What waits is recalled, what is gone says why it was not."""
        made = submit(shop, "a@example.test", "b@example.test")
        set_statuses(harness, made["id"], ("sent", "queued"))
        answer = shop.post(f"/messages/{made['id']}/cancel")
        msgspec.convert(answer.json, MessageActionResult, strict=True)

        assert (answer.status_code, answer.json["status"]) == (200, "partial")
        assert [(d["status"], d["changed"]) for d in answer.json["deliveries"]] == [("sent", False), ("canceled", True)]
        assert "can't be canceled" in answer.json["deliveries"][0]["detail"]

    def test_a_second_cancel_is_a_conflict(self, shop: Client) -> None:
        """Nothing is left to recall, and the event is told once."""
        id_ = submit(shop)["id"]
        answers = [shop.post(f"/messages/{id_}/cancel").status_code for _ in range(2)]
        told = [e["type"] for e in shop.get(f"/messages/{id_}/events").json["data"]]

        assert (answers, told) == ([200, 409], ["message.queued", "message.canceled"])

    @pytest.mark.parametrize("verb", ["cancel", "hold", "retry", "release"])
    def test_a_delivery_being_sent_cannot_be_canceled(self, harness: ApiHarness, shop: Client, verb: str) -> None:
        """A delivery at the relay can't be recalled; its own result still counts afterwards."""
        id_ = submit(shop)["id"]
        (held,) = claim_all(harness)
        answer = shop.post(f"/messages/{id_}/{verb}")

        assert (answer.status_code, answer.json["code"]) == (409, "conflict")
        assert "being sent" in answer.json["detail"]
        assert settle(harness, held, Change.SENT) == {held.id}
        assert shown(shop, id_)["status"] == "sent"

    @pytest.mark.parametrize("verb", ["cancel", "hold", "retry", "release"])
    def test_unexpected_fields_of_an_action_are_rejected(self, shop: Client, verb: str) -> None:
        """Somebody meant it; an empty object says nothing."""
        id_ = submit(shop)["id"]
        answer = shop.post(f"/messages/{id_}/{verb}", {"at": "2030-01-01T00:00:00Z"})

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "at")
        assert shown(shop, id_)["status"] == "queued"
        assert shop.post(f"/messages/{id_}/hold", {}).status_code == 200

    def test_either_the_cancel_or_the_claim_wins(self, harness: ApiHarness, shop: Client) -> None:
        """However they meet: either it is canceled and nobody sends it, or it is sent and the cancel says so."""
        ids = [submit(shop)["id"] for _ in range(12)]
        claimed: list[str] = []
        worker = threading.Thread(target=lambda: claimed.extend(row.message_id for row in claim_all(harness)))
        codes = dict.fromkeys(ids, 0)

        def cancel(some: list[str]) -> None:
            client = Client(harness.flask.test_client(), shop.app_id, shop.key)
            codes.update({id_: client.post(f"/messages/{id_}/cancel").status_code for id_ in some})

        threads = [
            threading.Thread(target=cancel, args=(ids[:6],)),
            worker,
            threading.Thread(target=cancel, args=(ids[:5:-1],)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {id_ for id_, code in codes.items() if code == 409} == set(claimed)
        assert {id_ for id_, code in codes.items() if code == 200} == set(ids) - set(claimed)

    def test_held_waits_until_it_is_released(self, harness: ApiHarness, shop: Client) -> None:
        """Hold keeps it from every claim; release makes it due."""
        id_ = submit(shop)["id"]
        held = shop.post(f"/messages/{id_}/hold").json["status"]
        claims = claim_all(harness)
        released = shop.post(f"/messages/{id_}/release").json["status"]

        assert (held, claims, released) == ("held", [], "queued")
        assert [row.message_id for row in claim_all(harness)] == [id_]
        assert shop.post(f"/messages/{id_}/release").status_code == 409

    def test_released_before_its_time_it_still_waits(self, harness: ApiHarness, shop: Client) -> None:
        """A schedule is not forgotten because somebody held the message for a while."""
        at = clock.rfc3339(harness.database.now() + clock.HOUR)
        id_ = submit(shop, scheduled_at=at)["id"]
        shop.post(f"/messages/{id_}/hold")
        released = shop.post(f"/messages/{id_}/release").json

        assert claim_all(harness) == []
        assert (released["status"], released["deliveries"][0]["changed"]) == ("scheduled", True)
        assert shown(shop, id_)["deliveries"][0]["next_attempt_at"] == at

    def test_a_release_for_now_ignores_the_schedule(self, harness: ApiHarness, shop: Client) -> None:
        """Nor does it show one, nor wait for it after it was held for a while."""
        at = clock.rfc3339(harness.database.now() + clock.HOUR)
        id_ = submit(shop, scheduled_at=at)["id"]
        shop.post(f"/messages/{id_}/retry")
        told = shown(shop, id_)
        shop.post(f"/messages/{id_}/hold")
        released = shop.post(f"/messages/{id_}/release").json

        assert (told["status"], told["scheduled_at"]) == ("queued", None)
        assert released["status"] == "queued"
        assert len(claim_all(harness)) == 1

    def test_retry_queues_failed_deliveries(self, harness: ApiHarness, shop: Client) -> None:
        """A bounced delivery is sent again, what was sent is not."""
        made = submit(shop, "a@example.test", "b@example.test")
        first, second = sorted(claim_all(harness), key=lambda row: row.id)
        settle(harness, first, Change.SENT)
        settle(harness, second, Change.BOUNCE, code=550)
        answer = shop.post(f"/messages/{made['id']}/retry").json

        assert [(d["status"], d["changed"]) for d in answer["deliveries"]] == [("sent", False), ("queued", True)]
        assert [row.id for row in claim_all(harness)] == [second.id]

    def test_a_retry_may_name_its_recipients(self, harness: ApiHarness, shop: Client) -> None:
        """Whatever the case of the address; one that is not the message's is an error that names it."""
        made = submit(shop, "a@example.test", "b@example.test", "c@example.test")
        for row in claim_all(harness):
            settle(harness, row, Change.BOUNCE, code=550)
        answer = shop.post(f"/messages/{made['id']}/retry", {"recipients": ["B@Example.test"]})
        wrong = shop.post(f"/messages/{made['id']}/retry", {"recipients": ["a@example.test", "d@example.test"]})

        assert [(d["recipient"], d["status"]) for d in answer.json["deliveries"]] == [("b@example.test", "queued")]
        assert (wrong.status_code, wrong.json["errors"][0]["field"]) == (422, "recipients.1")
        assert [row.recipient for row in claim_all(harness)] == ["b@example.test"]

    def test_a_retry_spares_a_suppressed_recipient_unless_it_is_forced(self, harness: ApiHarness, shop: Client) -> None:
        """The bounce that ended the delivery put its address on the list."""
        id_ = submit(shop)["id"]
        settle(harness, claim_all(harness)[0], Change.BOUNCE, code=550, hard=True)
        refused = shop.post(f"/messages/{id_}/retry")

        assert (refused.status_code, "suppression list" in refused.json["detail"]) == (409, True)
        assert shop.post(f"/messages/{id_}/retry", {"force": True}).json["status"] == "queued"
        assert not take_all(harness).suppressed

    def test_a_suppressed_delivery_is_tried_once_its_address_is_off_the_list(
        self, harness: ApiHarness, shop: Client
    ) -> None:
        """Without force, since nothing speaks against it any more."""
        entry = shop.post("/suppressions", {"address": "a@example.test"}).json
        id_ = submit(shop, "a@example.test")["id"]
        shop.delete(f"/suppressions/{entry['id']}")

        assert shop.post(f"/messages/{id_}/retry").json["status"] == "queued"

    def test_a_canceled_message_is_not_retried(self, harness: ApiHarness, shop: Client) -> None:
        """It was recalled for good: 409."""
        id_ = submit(shop)["id"]
        shop.post(f"/messages/{id_}/cancel")
        refused = shop.post(f"/messages/{id_}/retry")

        assert (refused.status_code, refused.json["code"]) == (409, "conflict")

    def test_an_address_suppressed_after_accept_is_not_sent_to(self, harness: ApiHarness, shop: Client) -> None:
        """A claim looks it up again, in any spelling and for the message's tags."""
        submit(shop, "Alice@Example.test", tags=["news"])
        submit(shop, "bob@example.test", tags=["receipt"])
        shop.post("/suppressions", {"address": "alice@example.test", "tag": "news"})
        shop.post("/suppressions", {"address": "bob@example.test", "tag": "news"})
        claimed = take_all(harness)

        assert [row.recipient for row in claimed.rows if row.id in claimed.suppressed] == ["Alice@example.test"]

    def test_an_expiry_event_shows_the_last_refusal(self, harness: ApiHarness, shop: Client) -> None:
        """The last reply, since only it explains why."""
        id_ = submit(shop)["id"]
        settle(harness, claim_all(harness)[0], Change.DEFER, code=451, due_in=clock.HOUR)
        with harness.database.write() as connection:
            expire_due(connection, now=harness.database.now() + 4 * clock.DAY, limit=10)
        last = shop.get(f"/messages/{id_}/events").json["data"][-1]

        assert (last["type"], last["data"]["smtp"]["code"]) == ("message.expired", 451)

    def test_a_retried_expired_message_gets_a_new_expiry(self, harness: ApiHarness, shop: Client) -> None:
        """Else it would expire before anybody could try it."""
        id_ = submit(shop, expires_in=60)["id"]
        began = harness.database.now() - 61 * clock.SECOND
        with harness.database.write() as connection:
            connection.execute(update(message).values(created_at=began, expires_at=began + 60 * clock.SECOND))
            connection.execute(update(delivery).values(status="expired", due_at=None, expires_at=None))

        assert shop.post(f"/messages/{id_}/retry").json["status"] == "queued"
        with harness.database.read() as connection:
            assert connection.execute(delivery.select()).one().expires_at > harness.database.now()

    def test_every_retry_of_an_expired_message_gets_the_same_lifetime(self, harness: ApiHarness, shop: Client) -> None:
        """And the message goes on showing what it was given."""
        id_ = submit(shop, expires_in=60)["id"]
        for age in (clock.DAY, clock.HOUR):
            with harness.database.write() as connection:
                connection.execute(
                    update(message).values(
                        created_at=message.c.created_at - age, expires_at=harness.database.now() - clock.SECOND
                    )
                )
                connection.execute(update(delivery).values(status="expired", due_at=None, expires_at=None))
            before = harness.database.now()
            assert shop.post(f"/messages/{id_}/retry").status_code == 200
            after = harness.database.now()
            with harness.database.read() as connection:
                began = connection.execute(delivery.select()).one().expires_at - 60 * clock.SECOND

            assert shown(shop, id_)["expires_in"] == 60
            assert before <= began <= after


class TestPatch:
    def test_a_message_is_rescheduled(self, harness: ApiHarness, shop: Client) -> None:
        """The answer is the whole message; expiry counts from the new time."""
        id_ = submit(shop, expires_in=600)["id"]
        at = clock.rfc3339(harness.database.now() + clock.HOUR)
        answer = shop.patch(f"/messages/{id_}", {"scheduled_at": at})
        found = answer.json

        assert (answer.status_code, found) == (200, shown(shop, id_))
        assert found["updated_at"] == found["deliveries"][0]["updated_at"] > found["created_at"]
        assert (found["scheduled_at"], found["status"], found["expires_in"]) == (at, "scheduled", 600)
        assert claim_all(harness) == []

    def test_null_and_the_past_mean_now(self, harness: ApiHarness, shop: Client) -> None:
        """A schedule can be taken away, and what goes out now has its whole time to do so."""
        later = clock.rfc3339(harness.database.now() + 9 * clock.DAY)
        ids = [submit(shop, scheduled_at=later, expires_in=60)["id"] for _ in range(2)]
        with harness.database.write() as connection:
            connection.execute(update(message).values(created_at=message.c.created_at - clock.DAY))
        answers = [
            shop.patch(f"/messages/{id_}", {"scheduled_at": at}).json
            for id_, at in zip(ids, (None, "2020-01-01T00:00:00Z"), strict=True)
        ]

        assert {(a["status"], a["scheduled_at"]) for a in answers} == {("queued", None)}
        claims = claim_all(harness)
        assert len(claims) == 2
        assert all(row.expires_at > harness.database.now() for row in claims)

    def test_an_expiry_is_shown_as_it_was_given(self, harness: ApiHarness, shop: Client) -> None:
        """Also where it counts from another moment than before, and after further changes."""
        later = clock.rfc3339(harness.database.now() + clock.DAY)
        id_ = submit(shop, scheduled_at=later)["id"]
        with harness.database.write() as connection:
            connection.execute(update(message).values(created_at=message.c.created_at - clock.HOUR))
        before = harness.database.now()
        shop.patch(f"/messages/{id_}", {"scheduled_at": None, "expires_in": 600})
        after = harness.database.now()
        found = shop.patch(f"/messages/{id_}", {"priority": "low"}).json
        with harness.database.read() as connection:
            began = connection.execute(delivery.select()).one().expires_at - 600 * clock.SECOND

        assert found["expires_in"] == 600
        assert before <= began <= after
        again = shop.patch(f"/messages/{id_}", {"scheduled_at": later}).json
        assert (again["expires_in"], again["status"]) == (600, "scheduled")

    def test_other_changes_leave_the_expiry_of_a_past_schedule(self, harness: ApiHarness, shop: Client) -> None:
        """Expiry counts from the schedule also after that has come."""
        at = clock.rfc3339(harness.database.now() + clock.HOUR)
        id_ = submit(shop, scheduled_at=at, expires_in=600)["id"]
        with harness.database.write() as connection:
            begin = harness.database.now() - clock.MINUTE
            connection.execute(update(message).values(scheduled_at=begin, expires_at=begin + 600 * clock.SECOND))
        found = shop.patch(f"/messages/{id_}", {"priority": "low"}).json

        assert (found["expires_in"], found["priority"], found["status"]) == (600, "low", "queued")

    @pytest.mark.parametrize("status", ["sending", "sent", "bounced", "canceled", "suppressed"])
    def test_a_message_being_sent_or_finished_cannot_be_changed(
        self, harness: ApiHarness, shop: Client, status: str
    ) -> None:
        """409 with the reason."""
        id_ = submit(shop)["id"]
        set_statuses(harness, id_, (status,))
        answer = shop.patch(f"/messages/{id_}", {"priority": "low"})

        assert (answer.status_code, answer.json["code"]) == (409, "conflict")
        assert status in answer.json["detail"]

    @pytest.mark.parametrize(
        ("patch", "field"),
        [
            ({"subject": "x"}, "subject"), ({"scheduled_at": "soon"}, "scheduled_at"), ({"expires_in": 59}, "expires_in"),
            ({"scheduled_at": "2999-01-01T00:00:00Z"}, "scheduled_at"),
            ({"priority": "urgent"}, "priority"), ({"expires_in": "60"}, "expires_in"), ({"expires_in": 1e12}, "expires_in"),
        ],
    )  # fmt: skip
    def test_a_wrong_change_is_named(self, shop: Client, patch: dict[str, Any], field: str) -> None:
        """422 names the field, and nothing is changed."""
        id_ = submit(shop)["id"]
        before = shown(shop, id_)
        answer = shop.patch(f"/messages/{id_}", patch)

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
        assert shown(shop, id_) == before
