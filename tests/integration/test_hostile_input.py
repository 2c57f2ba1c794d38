"""Every hostile value is answered with a 4xx that names its field; nothing of it is stored."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from mailsvc.store.tables import message
from tests.support.api import Answer, ApiHarness, Client, open_harness

PLAIN: dict[str, Any] = {"from": "a@app.test", "to": ["b@example.test"], "subject": "s", "text": "t"}
EVIL = {
    "CR": "\r",
    "LF": "\n",
    "NUL": "\0",
    "half a character": "\ud800",
    "line separator": "\u2028",
    "encoded LF": "=?utf-8?q?a=0Ab?=",
    "encoded CRLF": "=?utf-8?b?YQ0KYg==?=",
}
PLACES = {
    "from": ("from", "A{}B <a@app.test>"),
    "to": ("to.0", ["A{}B <b@example.test>"]),
    "cc": ("cc", "b{}@example.test"),
    "bcc": ("bcc.0", ["b@example{}.test"]),
    "reply_to": ("reply_to.0", ["A{} <b@example.test>"]),
    "subject": ("subject", "a{}b"),
    "headers": ("headers.X-A", {"X-A": "a{}Bcc: x@example.test"}),
    "tags": ("tags.0", ["a{}"]),
    "relay": ("relay", "a{}"),
    "in_reply_to": ("in_reply_to", "<a{}@b>"),
    "scheduled_at": ("scheduled_at", "2030-01-01T00:00:00Z{}"),
    "priority": ("priority", "high{}"),
}
FILE = {"filename": "a", "content": ""}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiHarness]:
    harness = open_harness(tmp_path_factory.mktemp("harness"), webhook_targets="any")
    yield harness
    harness.close()


@pytest.fixture(scope="module")
def alice(harness: ApiHarness) -> Client:
    alice = harness.create_app("alice")
    alice.post("/relays", {"name": "default", "host": "127.0.0.1", "port": 2525, "tls": "none"})
    return alice


@pytest.fixture(autouse=True)
def nothing_is_stored(harness: ApiHarness) -> Iterator[None]:
    """What is refused leaves no row."""
    before = stored(harness)
    yield
    assert before == stored(harness)


def stored(harness: ApiHarness) -> int:
    with harness.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(message)).scalar_one())


def filled(template: Any, text: str) -> Any:
    if isinstance(template, str):
        return template.replace("{}", text)
    if isinstance(template, list):
        return [filled(entry, text) for entry in template]
    return {name: filled(value, text) for name, value in template.items()}


def send(client: Client, data: bytes | str, path: str = "/messages", **options: Any) -> Answer:
    return client.call("POST", path, data=data, **{"content_type": "application/json", **options})


def fields(answer: Answer) -> list[str]:
    return [error["field"] for error in answer.json.get("errors", ())]


def with_more(member: bytes) -> bytes:
    return json.dumps(PLAIN)[:-1].encode() + b"," + member + b"}"


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("place", PLACES)
def test_line_breaks_and_their_disguises_are_refused_by_field(alice: Client, place: str, evil: str) -> None:
    """No value that reaches a header may hold a line break, in any spelling."""
    field, template = PLACES[place]
    answer = send(alice, json.dumps(PLAIN | {place: filled(template, EVIL[evil])}))

    assert (422, [field]) == (answer.status_code, fields(answer)), answer.json


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("member", ["filename", "content_type", "content_id"])
def test_the_names_of_files_are_refused_the_same_way(alice: Client, member: str, evil: str) -> None:
    """Attachment members become header parameters."""
    files = [FILE | {member: f"a/{EVIL[evil]}b"}]
    answer = send(alice, json.dumps(PLAIN | {"attachments": files}))

    assert (422, [f"attachments.0.{member}"]) == (answer.status_code, fields(answer))


@pytest.mark.parametrize("evil", EVIL)
def test_line_breaks_in_member_names_are_rejected(alice: Client, evil: str) -> None:
    """Header names, metadata keys and unknown members are as hostile as values."""
    for member in ({"headers": {f"X{EVIL[evil]}": "v"}}, {"metadata": {f"k{EVIL[evil]}": "v"}}, {f"x{EVIL[evil]}": 1}):
        answer = send(alice, json.dumps(PLAIN | member))
        assert 422 == answer.status_code, answer.json
        assert len(fields(answer)) == 1


@pytest.mark.parametrize("evil", ["\0", "\ud800"])
def test_bodies_and_metadata_reject_malformed_text(alice: Client, evil: str) -> None:
    """NUL and half characters can be neither stored nor sent."""
    for field, value in (("text", evil), ("html", evil), ("metadata", {"k": evil})):
        answer = send(alice, json.dumps(PLAIN | {field: value}))
        assert 422 == answer.status_code and fields(answer)[0].startswith(field)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"from":"a@app.test","from":"c@app.test"}',
        with_more(b'"expires_in":NaN'),
        with_more(b'"expires_in":-Infinity'),
        with_more(b'"expires_in":' + b"9" * 5000),
        b'{"from":"\xe9"}',
        b'{"from":"\xed\xa0\x80"}',
        json.dumps(PLAIN).encode("utf-16"),
        b"",
        json.dumps(PLAIN).encode() + b"{}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_invalid_json_is_a_400(alice: Client, body: bytes) -> None:
    """Too deep, a name twice, NaN, a number of 5000 digits, not UTF-8: each says what it is."""
    answer = send(alice, body)

    assert (400, "invalid_request") == (answer.status_code, answer.json["code"])
    assert len(answer.json["detail"]) < 400


@pytest.mark.parametrize(
    ("member", "field"),
    [
        (b'"expires_in":' + b"9" * 30, "expires_in"),
        (b'"expires_in":1e999', "expires_in"),
        (b'"to":[1]', "to.0"),
        (b'"attachments":[{"filename":"a","content":"!!!"}]', "attachments.0.content"),
        (b'"attachments":[{"filename":"a","content":"YQ"}]', "attachments.0.content"),
        (b'"' + b"x" * 1_000_000 + b'":1', "x" * 200),
    ],
    ids=["huge int", "infinite", "wrong type", "no base64", "cut base64", "a megabyte of name"],
)
def test_wrong_values_name_their_field(alice: Client, member: bytes, field: str) -> None:
    """Readable but unacceptable is a 422; what is echoed is cut."""
    body = with_more(member).replace(
        b'"to": ["b@example.test"],', b"" if field == "to.0" else b'"to": ["b@example.test"],'
    )
    answer = send(alice, body)

    assert (422, [field]) == (answer.status_code, fields(answer))
    assert len(answer.data) < 5000


@pytest.mark.parametrize(
    ("member", "field", "detail"),
    [
        ({"metadata": {"a": "x", "order": 17}}, "metadata.order", "must be a string, not a whole number"),
        ({"headers": {"X-A": 5}}, "headers.X-A", "must be a string or a list, not a whole number"),
        ({"priority": "urgent"}, "priority", "can't be 'urgent'; give high, low, normal"),
        ({"to": {}}, "to", "must be a string or a list, not an object"),
        ({"tags": ["a", 1.5]}, "tags.1", "must be a string, not a fraction"),
        ({"delivery_receipt": "yes"}, "delivery_receipt", "must be true or false, not a string"),
        ({"attachments": [FILE | {"content": "a\n"}]}, "attachments.0.content", "is not base64; encode it by RFC 4648"),
        ({"colour": "red"}, "colour", "is not a field here"),
        ({"text": None}, "text", "is missing; give text, html or both"),
    ],
)
def test_an_error_says_how_to_fix_it(alice: Client, member: dict[str, Any], field: str, detail: str) -> None:
    """In words of the API, not of the library that reads it; also for one member of many."""
    single = send(alice, json.dumps(PLAIN | member)).json["errors"]
    batch = send(alice, json.dumps({"messages": [PLAIN | member]}), "/messages/batch").json["errors"]

    assert ([field], [f"messages.0.{field}"]) == ([e["field"] for e in single], [e["field"] for e in batch])
    assert single[0]["detail"].startswith(detail) and batch[0]["detail"].startswith(detail)


@pytest.mark.parametrize(
    "name", ["x` - at `$.a[...]", "x` - at `$.to[9][...]", "x` - at `$.to[...]", "` - at `$`", "`", "$.a[0]"]
)
def test_a_member_name_with_a_dot_is_not_a_path(alice: Client, name: str) -> None:
    """Whatever it is taken for, it is refused in the same way."""
    for answer in (
        send(alice, json.dumps(PLAIN | {name: 1})),
        send(alice, json.dumps(PLAIN | {"attachments": [FILE | {name: 1}]})),
        send(alice, json.dumps(PLAIN | {"metadata": {name: 1}})),
    ):
        assert (422, 1) == (answer.status_code, len(fields(answer))), answer.json


def test_ten_thousand_recipients_are_refused_at_once(alice: Client) -> None:
    """The limit is named; no address of them is looked at."""
    answer = send(alice, json.dumps(PLAIN | {"to": [f"u{n}@example.test" for n in range(10_000)]}))

    assert (422, ["to"]) == (answer.status_code, fields(answer))
    assert "MAILSVC_MAX_RECIPIENTS" in answer.json["detail"]


def test_the_number_of_reported_errors_is_bounded(alice: Client) -> None:
    """A hundred thousand faults do not make a hundred thousand lines; each entry has its place."""
    bad = {"from": "a@app.test", "to": ["x"] * 100, "text": ""}
    answer = send(alice, json.dumps({"messages": [bad] * 1000}), "/messages/batch")

    assert (422, "messages.0.to.0") == (answer.status_code, fields(answer)[0])
    assert len(answer.data) < 100_000


def test_an_entry_that_is_not_an_object_is_named(alice: Client) -> None:
    """``messages.0``, not a field below it."""
    answer = send(alice, json.dumps({"messages": [5, None]}), "/messages/batch")

    assert ["messages.0", "messages.1"] == fields(answer)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
def test_compressed_bodies_are_never_unpacked(harness: ApiHarness, alice: Client, encoding: str) -> None:
    """A gzip bomb is a 415 before anything is read of it."""
    headers = {"Authorization": f"Bearer {alice.key}", "Content-Encoding": encoding}
    bomb = gzip.compress(b"0" * 10_000_000)
    answer = harness.flask.test_client().post(
        "/v1/messages", data=bomb, headers=headers, content_type="application/json"
    )

    assert 415 == answer.status_code


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_other_content_types_are_refused(alice: Client, kind: str) -> None:
    """Only JSON and finished messages are taken, so that no web form can send mail."""
    assert 415 == send(alice, json.dumps(PLAIN), content_type=kind).status_code


@pytest.mark.parametrize("query", ["to=a%0d%0ab@example.test", "from=a%00@app.test", "to=%ff@example.test", "bogus=1"])
def test_parameters_are_as_strict_as_fields(alice: Client, query: str) -> None:
    """The envelope of a finished message comes from the URL."""
    mail = b"From: a@app.test\r\nTo: b@example.test\r\n\r\nhi"

    assert send(alice, mail, f"/messages?{query}", content_type="message/rfc822").status_code in (400, 422)


@pytest.mark.parametrize(
    "body", [b"[" + b"[]," * 3_000_000 + b"[]]", b'"' + b'\\",:' * 2_000_000, b'["' + b'","' * 3_000_000]
)
def test_too_many_json_values_are_rejected_before_parsing(alice: Client, body: bytes) -> None:
    """Nine megabytes of empty lists would be hundreds of megabytes of objects."""
    assert send(alice, body).status_code in (400, 413)


def test_commas_in_a_text_do_not_count_as_values(alice: Client, harness: ApiHarness) -> None:
    """A text may hold as many commas and colons as it likes."""
    answer = send(alice, json.dumps({"from": "bad", "text": ",:" * 1_000_000}))

    assert ["from", "to"] == sorted(fields(answer))


def test_foreign_ids_are_404_on_every_route(harness: ApiHarness, alice: Client) -> None:
    """Whose an object is can't be learned: not 403, on no method of no route."""
    admin = harness.create_app("bob")
    tried = 0
    for rule in harness.flask.url_map.iter_rules():
        if not rule.rule.startswith("/v1/") or not rule.arguments:
            continue
        path = re.sub("<[^>]+>", "msg_01arz3ndektsv4rrffq69g5fav", rule.rule.removeprefix("/v1"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            body = {"data": b"{}", "content_type": "application/json"} if method in ("POST", "PATCH") else {}
            answer = admin.call(method, path, **body)
            assert answer.status_code in (404, 422), (method, path, answer.json)
            tried += 1
    assert tried >= 4


def test_an_object_of_another_app_looks_like_a_missing_one(harness: ApiHarness, alice: Client) -> None:
    """The answer for another app's relay is the very one for a relay that does not exist."""
    theirs = alice.get("/relays").json["data"][0]["id"]
    carol = harness.create_app("carol")
    for method in ("GET", "DELETE", "PATCH"):
        found = carol.call(method, f"/relays/{theirs}", {} if method == "PATCH" else None)
        assert (404, "not_found") == (found.status_code, found.json["code"])


def test_guessed_keys_are_rate_limited_and_the_right_one_works(harness: ApiHarness) -> None:
    """401, soon 429 with Retry-After; who has the key is never locked out by who guesses."""
    client = harness.flask.test_client()
    dave = harness.create_app("dave")
    answers = [client.get("/v1/relays", headers={"Authorization": f"Bearer mk_{n}"}) for n in range(60)]

    assert {401, 429} == {answer.status_code for answer in answers}
    assert all(int(a.headers["Retry-After"]) > 0 for a in answers if a.status_code == 429)
    assert 200 == dave.get("/relays").status_code


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/messages/preview", 404),
        ("GET", "/messages/preview", 404),
        ("GET", "/messages/validate", 405),
        ("POST", "/queue/flush", 404),
        ("POST", "/templates/welcome/render", 404),
        ("GET", "/stats", 404),
        ("GET", "//messages", 404),
        ("GET", "/messages/batch", 405),
    ],
)
def test_an_unknown_path_is_not_found(alice: Client, method: str, path: str, status: int) -> None:
    """A name below /v1/messages is no message, and every answer is a problem document."""
    answer = alice.call(method, path)

    assert (status, "application/problem+json") == (answer.status_code, answer.headers["Content-Type"])
