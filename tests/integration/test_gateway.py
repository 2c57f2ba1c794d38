"""Requests on their way through the event loop: nothing holds it up, and nobody is told of a message that is not stored."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from mailsvc.api.body import SHORT_BODY
from mailsvc.api.gateway import Gateway
from mailsvc.domain.ids import new_id
from mailsvc.store.tables import message
from tests.support.api import ApiHarness, Client, open_harness
from tests.support.asgi_client import AsgiClient, Reply

LIMIT = 2 << 20
PLAIN: dict[str, Any] = {"from": "a@app.test", "to": ["b@example.test"], "subject": "s", "text": "t"}
BODY = json.dumps(PLAIN).encode()
Post = Callable[..., Any]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiHarness]:
    harness = open_harness(tmp_path_factory.mktemp("harness"), max_request_bytes=LIMIT)
    yield harness
    harness.close()


@pytest.fixture(scope="module")
def client(harness: ApiHarness) -> Iterator[AsgiClient]:
    client = AsgiClient(Gateway(harness.flask, threads=4, stall=0.3))
    yield client
    client.close()


@pytest.fixture
def shop(harness: ApiHarness) -> Client:
    return moved_in(harness)


@pytest.fixture
def post(client: AsgiClient, shop: Client) -> Post:
    """Post a message; what comes back is still to come."""

    def post(*parts: bytes, path: str = "/v1/messages", **options: str) -> Any:
        options.setdefault("content_type", "application/json")
        return client.ask("POST", path, *parts, key=shop.key, **options)

    return post


def moved_in(harness: ApiHarness) -> Client:
    """An app with a relay."""
    shop = harness.create_app(new_id("app"))
    shop.post("/relays", {"name": "default", "host": "127.0.0.1", "port": 2525, "tls": "none"})
    return shop


@contextmanager
def commits_held_up(harness: ApiHarness) -> Iterator[None]:
    """Somebody else is the database's one writer."""
    with harness.database.write():
        yield


def stored(harness: ApiHarness, shop: Client) -> int:
    with harness.database.read() as connection:
        count = select(func.count()).select_from(message).where(message.c.app_id == shop.app_id)
        return int(connection.execute(count).scalar_one())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestBodies:
    """What comes in, and what does not."""

    @pytest.mark.parametrize("filler", [0, 3 * SHORT_BODY])
    @pytest.mark.parametrize("encoding", ["", "chunked"])
    def test_a_body_in_several_parts_is_joined(self, post: Post, filler: int, encoding: str) -> None:
        """Short or long, with its length known or not."""
        headers = {"transfer_encoding": encoding} if encoding else {}
        reply: Reply = post(BODY[:20], BODY[20:] + b" " * filler, **headers).result(10)

        assert 202 == reply.status

    @pytest.mark.parametrize("encoding", ["", "chunked"])
    def test_a_stalled_body_times_out(self, harness: ApiHarness, shop: Client, post: Post, encoding: str) -> None:
        """408 after a while, on a connection that is then closed."""
        headers = {"transfer_encoding": encoding} if encoding else {"content_length": "1000"}
        reply: Reply = post(BODY, stops="stalled", **headers).result(10)

        assert (408, "close") == (reply.status, reply.headers["connection"])
        assert reply.json["request_id"] == reply.headers["x-request-id"]
        assert 0 == stored(harness, shop)

    @pytest.mark.parametrize("encoding", ["", "chunked"])
    def test_a_truncated_body_is_not_accepted(
        self, harness: ApiHarness, shop: Client, post: Post, encoding: str
    ) -> None:
        """Even where what came is a valid message."""
        headers = {"transfer_encoding": encoding} if encoding else {"content_length": "1000"}
        post(BODY, stops="gone", **headers).result(10)

        assert 0 == stored(harness, shop)

    def test_a_trickling_body_times_out(self, harness: ApiHarness, shop: Client) -> None:
        """However regularly a byte comes: a body has a total time, and more only at a rate."""
        client = AsgiClient(Gateway(harness.flask, threads=2, total=0.5))
        headers = {"content_type": "application/json", "content_length": "100000"}
        reply = client.ask("POST", "/v1/messages", *[b" "] * 100, key=shop.key, stops="trickling", **headers).result(10)
        client.close()

        assert (408, "close") == (reply.status, reply.headers["connection"])
        assert "more slowly than" in reply.json["detail"]

    def test_a_long_body_is_spooled_to_an_unnamed_file(self, harness: ApiHarness, post: Post) -> None:
        """In the data directory, where nothing of it is left."""
        before = set(harness.services.settings.data_dir.iterdir())
        reply: Reply = post(BODY[:-1], b" " * 1_000_000, BODY[-1:]).result(10)

        assert 202 == reply.status
        assert before == set(harness.services.settings.data_dir.iterdir())

    def test_the_limit_holds_without_a_length(self, post: Post) -> None:
        """413, and what is beyond it is not even taken."""
        parts = [b" " * (LIMIT // 4)] * 5
        reply: Reply = post(BODY, *parts, stops="stalled", transfer_encoding="chunked").result(10)

        assert (413, "payload_too_large") == (reply.status, reply.json["code"])

    def test_no_body_is_read_without_a_valid_key(self, client: AsgiClient) -> None:
        """The key is looked at first where a body may be long."""
        reply = client.ask("POST", "/v1/messages", stops="stalled", content_length=str(LIMIT)).result(10)

        assert 401 == reply.status


class TestWaiting:
    """The event loop goes on, whatever a request waits for."""

    def test_commits_are_awaited_by_any_number(
        self, harness: ApiHarness, shop: Client, client: AsgiClient, post: Post
    ) -> None:
        """More than there are threads; meanwhile others are answered at once, and all of them afterwards."""
        post(BODY).result(10)
        with commits_held_up(harness):
            waiting = [post(BODY) for _ in range(50)]
            assert 200 == client.ask("GET", "/healthz").result(1).status
            assert not any(reply.done() for reply in waiting)

        assert {202} == {reply.result(10).status for reply in waiting}
        assert 51 == stored(harness, shop)

    def test_requests_that_query_the_database_run_in_a_thread(self, harness: ApiHarness, post: Post) -> None:
        """A key and a relay that are not known yet, and the message that is replied to."""
        harness.services.keyring.forget()
        harness.services.relays.forget()
        first = post(BODY).result(10).json["id"]
        found: Reply = post(json.dumps(PLAIN | {"in_reply_to": first}).encode()).result(10)
        missing: Reply = post(json.dumps(PLAIN | {"in_reply_to": "msg_none"}).encode(), x_request_id="mine").result(10)

        assert (202, 422) == (found.status, missing.status)
        assert ("mine", "mine") == (missing.headers["x-request-id"], missing.json["request_id"])

    def test_a_client_that_disconnects_does_no_harm(self, harness: ApiHarness, shop: Client, post: Post) -> None:
        """Its message is stored, since it may never know; the others in the same commit are answered."""
        post(BODY).result(10)
        with commits_held_up(harness):
            impatient, patient = post(BODY), post(BODY)
            until(lambda: harness.services.outbox.intake._commits.unfinished == 2)
            impatient.cancel()

        assert 202 == patient.result(10).status
        assert 3 == stored(harness, shop)

    def test_a_request_that_the_stop_cuts_off_is_answered(
        self, harness: ApiHarness, client: AsgiClient, post: Post, caplog: pytest.LogCaptureFixture
    ) -> None:
        """503, and no traceback: its client is to try again."""
        post(BODY).result(10)
        with commits_held_up(harness):
            reply = post(BODY)
            until(lambda: harness.services.outbox.intake._commits.unfinished == 1)
            client.cut_off()
            assert (503, "5") == (reply.result(10).status, reply.result().headers["retry-after"])

        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    def test_a_problem_of_the_commit_names_the_request(self, post: Post) -> None:
        """A key that was used for something else is found out by the intake."""
        post(BODY, idempotency_key="one").result(10)
        reply: Reply = post(b" " + BODY, idempotency_key="one", x_request_id="mine").result(10)

        assert (422, "idempotency_mismatch", "mine") == (reply.status, reply.json["code"], reply.json["request_id"])
        assert "mine" == reply.headers["x-request-id"]


class TestIdempotencyKeys:
    """A second request with a key waits for the first, though not for ever."""

    def test_the_second_request_gets_the_response_to_the_first(
        self, harness: ApiHarness, shop: Client, post: Post
    ) -> None:
        """Also while the first is under way, and between single messages and retries of all kinds."""
        post(BODY).result(10)
        with commits_held_up(harness):
            waiting = [post(BODY, idempotency_key="k") for _ in range(5)]
        replies: list[Reply] = [reply.result(10) for reply in waiting]

        assert 1 == len({reply.data for reply in replies})
        assert 4 == sum(reply.headers.get("idempotent-replayed") == "true" for reply in replies)
        assert 2 == stored(harness, shop)

    def test_a_long_wait_for_the_first_request_is_answered_with_retry_after(
        self, harness: ApiHarness, shop: Client, post: Post
    ) -> None:
        """409 after two seconds, and nothing of it is stored later."""
        post(BODY).result(10)
        with commits_held_up(harness):
            first, begun = post(BODY, idempotency_key="k"), time.monotonic()
            second: Reply = post(BODY, idempotency_key="k").result(10)
            other = post(BODY, idempotency_key="another")
            took = time.monotonic() - begun

        assert (409, "idempotency_in_flight", "1") == (
            second.status,
            second.json["code"],
            second.headers["retry-after"],
        )
        assert 1.9 < took < 5
        assert (202, 202) == (first.result(10).status, other.result(10).status)
        assert 3 == stored(harness, shop)


def test_a_lack_of_memory_is_reported_without_a_traceback(
    harness: ApiHarness,
    client: AsgiClient,
    shop: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """503: it may go better later."""

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mailsvc.outbox.builder.check", exhausted)
    reply = client.ask("POST", "/v1/messages", BODY, key=shop.key, content_type="application/json").result(10)

    assert (503, "unavailable") == (reply.status, reply.json["code"])
    assert [None] == [record.exc_info for record in caplog.records if record.levelname == "ERROR"]


class TestHeads:
    def test_a_request_must_name_one_host(self, client: AsgiClient, shop: Client) -> None:
        """None, or two, and another server might see another request (RFC 9112 section 3.2)."""
        none, two = (client.ask("GET", "/v1/relays", key=shop.key, host=host).result(10) for host in ("", "a\nb"))

        assert [(400, "invalid_request")] * 2 == [(reply.status, reply.json["code"]) for reply in (none, two)]

    @pytest.mark.parametrize("host", ["a,b", "a, b", "user@a", "a/b", "a b", "[::1", "a:80:80", "a:port", "http://a"])
    def test_a_malformed_host_is_refused(self, client: AsgiClient, shop: Client, host: str) -> None:
        """Two fields that a proxy has joined, among others (RFC 9112 section 3.2)."""
        reply = client.ask("GET", "/v1/relays", key=shop.key, host=host).result(10)

        assert (400, "invalid_request") == (reply.status, reply.json["code"])

    @pytest.mark.parametrize("host", ["a", "a.test:8025", "192.0.2.1", "[2001:db8::1]:80", "my_service", "a.test."])
    def test_any_host_is_answered(self, client: AsgiClient, shop: Client, host: str) -> None:
        assert 200 == client.ask("GET", "/v1/relays", key=shop.key, host=host).result(10).status

    def test_responses_to_an_app_are_not_cacheable(self, client: AsgiClient, shop: Client) -> None:
        """Refusals, too."""
        replies = [client.ask("GET", path, key=key).result(10) for path in ("/v1/relays",) for key in (shop.key, "")]

        assert ["no-store"] * 2 == [reply.headers["cache-control"] for reply in replies]

    """The request line and the headers, as Flask sees them."""

    def test_a_key_that_is_not_ascii_is_refused(self, harness: ApiHarness, shop: Client, post: Post) -> None:
        """Dropped or spelt anew on its way, it would double a message."""
        reply = post(BODY, idempotency_key="schlüssel").result(10)

        assert (422, 0) == (reply.status, stored(harness, shop))

    def test_paths_that_are_not_text_are_not_found(self, client: AsgiClient, shop: Client) -> None:
        """Percent-encoded or not, UTF-8 or not."""
        for path in ("/v1/messages/%FF", "/v1/messages/msg_%C3%A9", "/v1/messages/%00", "/%2e%2e/healthz", "*"):
            reply = client.ask("GET", path, key=shop.key).result(10)
            assert (404, "not_found") == (reply.status, reply.json["code"]), path

    def test_head_has_no_body_and_other_methods_are_named(self, client: AsgiClient) -> None:
        """As HTTP asks for."""
        head, wrong = (client.ask(method, "/healthz").result(10) for method in ("HEAD", "DELETE"))

        assert (200, b"") == (head.status, head.data)
        assert int(head.headers["content-length"]) > 0
        assert (405, {"GET", "HEAD", "OPTIONS"}) == (wrong.status, set(wrong.headers["allow"].split(", ")))


def test_a_rate_counts_a_message_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also where the request had to be begun again in a thread; a second's worth may come at once."""
    harness = open_harness(tmp_path_factory.mktemp("rated"), rate_per_key=1.0)
    shop = moved_in(harness)
    client = AsgiClient(Gateway(harness.flask, threads=2))
    ask = partial(client.ask, "POST", "/v1/messages", BODY, key=shop.key, content_type="application/json")
    statuses = [ask().result(10).status for _ in range(3)]
    client.close()
    harness.close()

    assert [202, 202, 429] == statuses


def test_the_queue_holds_as_many_as_it_may(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whoever comes at the same time: neither one more, nor one less."""
    harness = open_harness(tmp_path_factory.mktemp("full"), max_queue=41)
    shop, client = moved_in(harness), AsgiClient(Gateway(harness.flask, threads=8))
    two = json.dumps(PLAIN | {"to": ["b@example.test", "c@example.test"]}).encode()
    ask = partial(client.ask, "POST", "/v1/messages", key=shop.key, content_type="application/json")
    statuses = [reply.result(10).status for reply in [ask(two) for _ in range(60)]]
    statuses += [ask(BODY).result(10).status, ask(BODY).result(10).status]
    client.close()
    harness.close()

    assert [202] * 21 + [503] * 41 == sorted(statuses)


def test_the_full_disk_is_named_while_messages_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    """By the answer to whether the service is ready."""
    harness = open_harness(tmp_path_factory.mktemp("disk"), min_free_disk_bytes=1 << 60)
    shop, client = moved_in(harness), AsgiClient(Gateway(harness.flask, threads=2))
    ready = client.ask("GET", "/readyz").result(10)
    refused = client.ask("POST", "/v1/messages", BODY, key=shop.key, content_type="application/json").result(10)
    client.close()
    harness.close()

    assert (503, 503) == (ready.status, refused.status)
    assert "nearly full" in ready.json["checks"]["disk"] and "nearly full" in refused.json["detail"]


def test_nothing_blocks_the_event_loop(harness: ApiHarness, client: AsgiClient) -> None:
    """A view that forgets itself and asks the database there is told so, and nowhere else."""
    refused = threading.Event()

    def ask() -> None:
        try:
            with harness.database.read():
                pass
        except BaseException as error:
            assert "WouldBlock" == type(error).__name__
            refused.set()

    client.loop.call_soon_threadsafe(ask)

    assert refused.wait(10)
    with harness.database.read():
        pass
