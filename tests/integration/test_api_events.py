"""The feed of events: complete, in order, continued by cursors, and waiting for news without losing any."""

import threading
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select

from mailsvc.api.events import EventPage
from mailsvc.api.feed import Interest, newest
from mailsvc.domain.lifecycle import Change
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.tables import event
from tests.support.api import ApiHarness, Client
from tests.support.messages import claim_all, settle, submit, writer


def feed(client: Client, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/events?{query}")
    assert answer.status_code == 200, answer.json
    msgspec.convert(answer.json, EventPage, strict=True)
    return dict(answer.json)


def types(page: dict[str, Any]) -> list[str]:
    return [e["type"] for e in page["data"]]


def tell(harness: ApiHarness, app_id: str, *kinds: str) -> None:
    """Events come up, as another process would append them; no bell rings."""
    with harness.database.write() as connection:
        append_events(connection, [NewEvent(app_id, kind, {}) for kind in kinds], now=harness.database.now())


def drop_first(harness: ApiHarness, count: int) -> None:
    """The oldest events are no longer kept."""
    with harness.database.write() as connection:
        oldest = select(event.c.position).order_by(event.c.position).limit(count)
        connection.execute(delete(event).where(event.c.position.in_(list(connection.execute(oldest).scalars()))))


class Poll(threading.Thread):
    """A request that waits for news."""

    def __init__(self, client: Client, query: str) -> None:
        super().__init__()
        self.client, self.query = client, query
        self.page: dict[str, Any] = {}

    def run(self) -> None:
        self.page = feed(self.client, self.query)

    def start_waiting(self, harness: ApiHarness) -> "Poll":
        """Start, and return once it sleeps."""
        waits = threading.Event()
        original = type(harness.services.feed).expect

        def expect(interest: Interest) -> None:
            original(harness.services.feed, interest)
            waits.set()

        harness.services.feed.expect = expect  # type: ignore[method-assign]
        self.start()
        assert waits.wait(10)
        return self


class TestOrder:
    def test_it_begins_with_the_oldest_and_ends_with_the_newest(self, harness: ApiHarness, shop: Client) -> None:
        """The feed is oldest first and complete, as webhooks would carry it."""
        id_ = submit(shop)["id"]
        settle(harness, claim_all(harness)[0], Change.BOUNCE, code=550)
        page = feed(shop)

        assert types(page) == ["message.queued", "message.bounced"]
        assert [e["sequence"] for e in page["data"]] == [1, 2]
        assert {"message_id": id_, "recipient": "alice@example.test", "status": "bounced"}.items() <= page["data"][1][
            "data"
        ].items()

    def test_every_event_of_a_message_names_its_tags_and_metadata(self, harness: ApiHarness, shop: Client) -> None:
        """Also the first one, so that an application can tell at once what it is about."""
        submit(shop, tags=["receipt"], metadata={"order": "17"})
        settle(harness, claim_all(harness)[0], Change.SENT)

        assert [(e["data"]["tags"], e["data"]["metadata"]) for e in feed(shop)["data"]] == [
            (["receipt"], {"order": "17"})
        ] * 2

    def test_stored_bodies_are_returned_unchanged(self, harness: ApiHarness, shop: Client) -> None:
        """The same bytes that a webhook carries."""
        submit(shop, tags=["ü"], metadata={"b": "1", "a": "</é>"})
        with harness.database.read() as connection:
            frozen = connection.execute(select(event.c.body)).scalar_one()

        assert frozen.encode() in shop.get("/events").data

    def test_pages_follow_one_another_while_events_are_added(self, harness: ApiHarness, shop: Client) -> None:
        """A consumer that follows next_cursor sees every event once, also those that come meanwhile."""
        seen, query = [], "limit=2"
        for n in range(5):
            submit(shop)
            submit(shop, tags=[str(n)])
            page = feed(shop, query)
            seen += [e["id"] for e in page["data"]]
            query = f"limit=2&after={page['next_cursor']}"

        assert seen == [e["id"] for e in feed(shop)["data"]]
        assert feed(shop, query)["data"] == []

    def test_an_event_continues_after_itself(self, shop: Client) -> None:
        """after takes an event's id as well as a cursor."""
        for _ in range(3):
            submit(shop)
        ids = [e["id"] for e in feed(shop)["data"]]

        assert [e["id"] for e in feed(shop, f"after={ids[0]}")["data"]] == ids[1:]

    def test_now_skips_earlier_events(self, shop: Client) -> None:
        """after=now answers nothing, and a cursor that misses nothing from this moment."""
        submit(shop)
        page = feed(shop, "after=now")
        later = submit(shop)["id"]

        assert page["data"] == []
        assert [e["data"]["message_id"] for e in feed(shop, f"after={page['next_cursor']}")["data"]] == [later]

    def test_now_works_before_the_first_event(self, harness: ApiHarness, shop: Client) -> None:
        """A cursor of an empty feed continues with its first event."""
        cursor = feed(shop, "after=now")["next_cursor"]
        again = feed(shop, f"after={cursor}")["next_cursor"]
        submit(shop)

        assert types(feed(shop, f"after={again}")) == ["message.queued"]

    def test_an_event_that_is_no_longer_kept_is_told_from_a_wrong_id(self, harness: ApiHarness, shop: Client) -> None:
        """A consumer that slept too long gets 410 and the first event that is left; a typing mistake is a 422."""
        tell(harness, shop.app_id, *["relay.paused"] * 5)
        ids = [e["id"] for e in feed(shop)["data"]]
        drop_first(harness, 3)

        gone = shop.get(f"/events?after={ids[1]}")
        unknown = shop.get(f"/events?after=evt_{'z' * 26}")

        assert (gone.status_code, gone.json["code"], gone.json["oldest"]) == (410, "cursor_expired", ids[3])
        assert unknown.status_code == 422
        assert [e["id"] for e in feed(shop, f"after={gone.json['oldest']}")["data"]] == [ids[4]]

    def test_a_cursor_stays_good_and_says_what_it_skipped(self, harness: ApiHarness, shop: Client) -> None:
        """It continues at the oldest event that is kept; where nothing was missed, it says nothing."""
        tell(harness, shop.app_id, *["relay.paused"] * 5)
        first, third = (feed(shop, f"limit={n}")["next_cursor"] for n in (1, 3))
        ids = [e["id"] for e in feed(shop)["data"]]
        drop_first(harness, 3)
        late, in_time = feed(shop, f"after={first}"), feed(shop, f"after={third}")

        assert [e["id"] for e in late["data"]] == [e["id"] for e in in_time["data"]] == ids[3:]
        assert (late.get("skipped"), in_time.get("skipped")) == (True, None)
        assert "skipped" not in feed(shop)


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("type=relay.paused", ["relay.paused"]),
            ("type=message.*", ["message.queued"]),
            ("type=relay.*&type=message.queued", ["message.queued", "relay.paused", "relay.resumed"]),
            ("type=*", ["message.queued", "relay.paused", "relay.resumed"]),
            ("type=inbound.received", []),
        ],
    )
    def test_types_and_patterns(self, harness: ApiHarness, shop: Client, query: str, found: list[str]) -> None:
        """Repeated types are OR; a pattern covers its family."""
        submit(shop)
        tell(harness, shop.app_id, "relay.paused", "relay.resumed")

        assert types(feed(shop, query)) == found

    def test_a_filtered_cursor_passes_over_events_that_do_not_match(self, harness: ApiHarness, shop: Client) -> None:
        """Pages of a filtered feed are filled, and a feed without a hit still moves on."""
        tell(harness, shop.app_id, *["relay.paused"] * 250, "relay.resumed", *["relay.paused"] * 10)
        page = feed(shop, "type=relay.resumed&limit=1")
        none = feed(shop, "type=mailbox.*")

        assert types(page) == ["relay.resumed"]
        assert len(feed(shop, f"after={page['next_cursor']}")["data"]) == 10
        assert feed(shop, f"after={none['next_cursor']}")["data"] == []

    def test_messages(self, shop: Client) -> None:
        """Several messages are OR, another one's id finds nothing."""
        ids = [submit(shop)["id"] for _ in range(3)]
        page = feed(shop, f"message={ids[0]}&message={ids[2]}")

        assert [e["data"]["message_id"] for e in page["data"]] == [ids[0], ids[2]]
        assert feed(shop, "message=msg_01arz3ndektsv4rrffq69g5fav")["data"] == []

    @pytest.mark.parametrize(
        "query",
        [
            "wait=31", "wait=-1", "wait=x", "limit=0", "limit=201", "type=message.lost", "type=lost.*", "colour=red",
            "after=yesterday", "after=evt_01arz3ndektsv4rrffq69g5fav", "after=pos_9999999999999999999", "after=pos_-1",
            "after=pos_²",
        ],
    )  # fmt: skip
    def test_a_wrong_parameter_is_named(self, shop: Client, query: str) -> None:
        """422 says which."""
        answer = shop.get(f"/events?{query}")

        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, query.partition("=")[0])

    def test_the_furthest_position_is_one(self, shop: Client) -> None:
        """The largest number that the database knows is a cursor, if not a useful one."""
        assert feed(shop, f"after=pos_{2**63 - 1}")["data"] == []


class TestOthers:
    def test_each_app_sees_only_its_own_events(self, harness: ApiHarness, shop: Client) -> None:
        """Another app's events are neither shown nor usable as a place to begin, nor found by their message."""
        id_ = submit(shop)["id"]
        bob = writer(harness, "bob")
        theirs = feed(shop)["data"][0]["id"]

        assert feed(bob)["data"] == feed(bob, f"message={id_}")["data"] == []
        assert bob.get(f"/events?after={theirs}").status_code == 422

    def test_reading_events_needs_the_read_scope(self, harness: ApiHarness, shop: Client) -> None:
        """A key that may only send learns nothing."""
        assert harness.client_of(shop.app_id, "send").get("/events").json["code"] == "insufficient_scope"
        assert types(feed(harness.client_of(shop.app_id, "read"))) == []


class TestWaiting:
    def test_existing_events_are_returned_at_once(self, harness: ApiHarness, shop: Client) -> None:
        """Nobody sleeps who has something to hear."""
        submit(shop)
        harness.services.feed.expect = lambda *_: pytest.fail("it slept")  # type: ignore[method-assign]

        assert types(feed(shop, "wait=30")) == ["message.queued"]

    def test_a_notification_wakes_a_waiting_request(self, harness: ApiHarness, shop: Client) -> None:
        """The answer comes with the event, long before the time is up."""
        poll = Poll(shop, "after=now&wait=30").start_waiting(harness)
        tell(harness, shop.app_id, "relay.paused")
        harness.services.feed.heard(b"de")
        poll.join(20)

        assert types(poll.page) == ["relay.paused"]

    def test_unrelated_events_do_not_end_the_wait(self, harness: ApiHarness, shop: Client) -> None:
        """A ring for another app, or for an event that is not wanted, lets it sleep on."""
        poll = Poll(shop, "after=now&wait=30&type=relay.resumed").start_waiting(harness)
        tell(harness, harness.create_app("bob").app_id, "relay.resumed")
        tell(harness, shop.app_id, "relay.paused")
        harness.services.feed.heard(b"e")
        tell(harness, shop.app_id, "relay.resumed")
        harness.services.feed.heard(b"e")
        poll.join(20)

        assert types(poll.page) == ["relay.resumed"]

    def test_an_event_without_a_notification_is_found(self, harness: ApiHarness, shop: Client) -> None:
        """Bells ring on their own host only, and are only a hint: who waits looks again by itself."""
        poll = Poll(shop, "after=now&wait=30").start_waiting(harness)
        tell(harness, shop.app_id, "relay.paused")
        poll.join(20)

        assert types(poll.page) == ["relay.paused"]

    def test_a_notification_between_query_and_wait_is_not_lost(self, harness: ApiHarness, shop: Client) -> None:
        """Who looked before the last round is told to look again at once."""
        tell(harness, shop.app_id, "relay.paused")
        with harness.database.read() as connection:
            seen = newest(connection)
        late = Interest(shop.app_id, (), (), seen - 1)
        Poll(shop, "after=now&wait=3").start_waiting(harness).join(20)
        harness.services.feed.expect(late)

        assert late.news.done()

    def test_a_shutdown_ends_all_waiting_requests(self, harness: ApiHarness, shop: Client) -> None:
        """Who waits is answered with a cursor to go on with."""
        poll = Poll(shop, "after=now&wait=30").start_waiting(harness)
        harness.services.feed.stop()
        poll.join(20)

        assert (poll.page["data"], poll.page["next_cursor"]) == ([], feed(shop, "after=now")["next_cursor"])
