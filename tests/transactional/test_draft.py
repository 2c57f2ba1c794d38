"""What ``Outbox.send`` takes and refuses, before any database sees it."""

import copy
import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import mailsvc
from mailsvc.domain.draft import Limits
from mailsvc.domain.ids import delivery_id
from mailsvc.store.database import Database
from mailsvc.transactional.sending.draft import DraftFields
from mailsvc.transactional.submission import Names, Submission, submission_of, submissions_of
from tests.support.api import Client, open_harness
from tests.support.messages import writer
from tests.support.shop import MAIL
from tests.support.tables import copy_empty_sqlite

SDK = Path(__file__).parents[2] / "sdk" / "mailsvc_sdk" / "_sending"
SHARED = sorted((Path(mailsvc.__file__).parent / "transactional" / "sending").glob("[a-z]*.py"))


def made(*, names: Names = Names("default"), limits: Limits = Limits(), **fields: Any) -> Submission:
    return submission_of(None, {**MAIL, **fields}, names, limits)


def draft(**fields: Any) -> dict[str, Any]:
    return json.loads(made(**fields).row["draft"] or "")


@pytest.mark.parametrize("module", SHARED, ids=lambda path: path.name)
def test_the_modules_that_turn_keywords_into_a_draft_are_those_of_the_sdk(module: Path) -> None:
    assert module.read_text() == (SDK / module.name).read_text(), "run make copies"


def test_the_row_holds_the_json_of_the_api() -> None:
    assert draft(tags=("a", "b")) == {
        "from": "Shop <shop@app.test>",
        "to": "alice@example.test",
        "subject": "Your order",
        "text": "Thank you.",
        "tags": ["a", "b"],
    }


def test_addresses_files_and_times_are_taken_as_the_sdk_takes_them(tmp_path: Path) -> None:
    (tmp_path / "invoice.pdf").write_bytes(b"%PDF")
    made = draft(
        from_=Address("Shop", "shop", "app.test"),
        to=[("Alice, A.", "alice@example.test"), "bob@example.test"],
        attachments=[
            tmp_path / "invoice.pdf",
            ("a.txt", "hällo"),
            mailsvc.Attachment.inline(BytesIO(b"x"), "logo", filename="logo.png"),
        ],
        scheduled_at=datetime.now(UTC) + timedelta(hours=1),
        expires_in=timedelta(hours=2),
    )

    assert made["from"] == "Shop <shop@app.test>"
    assert made["to"] == ['"Alice, A." <alice@example.test>', "bob@example.test"]
    assert [a["content_type"] for a in made["attachments"]] == [
        "application/pdf",
        "text/plain; charset=utf-8",
        "image/png",
    ]
    assert made["attachments"][2]["content_id"] == "logo"
    assert (made["scheduled_at"][-1], made["expires_in"]) == ("Z", 7200)


def test_keywords_go_over_the_mapping_which_is_left_as_it_is() -> None:
    message = {
        "from": "a@app.test",
        "to": ["b@example.test"],
        "text": "x",
        "attachments": [{"filename": "a", "content": "eA=="}],
    }
    before = copy.deepcopy(message)
    row = submission_of(message, {"text": "y", "cc": None}, Names("default"), Limits()).row

    assert json.loads(row["draft"] or "")["text"] == "y"
    assert message == before


def test_a_receipt_tells_the_ids_that_the_mail_will_have() -> None:
    receipt = made(
        to=["a@example.test", "b@example.test"], bcc="A@example.test", scheduled_at=timedelta(hours=1)
    ).receipt

    assert str(receipt) == receipt.id
    assert receipt.message_id == f"<{receipt.id[4:]}@app.test>"
    assert receipt.created_at.tzinfo is UTC
    assert [(d.id, d.recipient, d.kind, d.status) for d in receipt.deliveries] == [
        (delivery_id(receipt.id, 0), "a@example.test", "to", "scheduled"),
        (delivery_id(receipt.id, 1), "b@example.test", "to", "scheduled"),
    ]
    assert receipt.status == "scheduled"
    assert made().receipt.status == "queued"


WRONG: list[dict[str, Any]] = [
    {"to": []},
    {"to": ["alice"]},
    {"from_": "nobody"},
    {"text": None},
    {"subject": "a\nb"},
    {"text": "a\0b"},
    {"text": "half \ud83d a pair"},
    {"metadata": {"order": 17}},
    {"metadata": {"x" * 200: "1"}},
    {"headers": {"Received": "x"}},
    {"tags": ["a\rb"]},
    {"expires_in": 1},
    {"scheduled_at": "tomorrow"},
    {"priority": "urgent"},
    {"attachments": [{"filename": "a", "content": "???"}]},
    {"attachments": [{"filename": "a/b", "content": "eA=="}]},
    {"template": "welcome"},
    {"in_reply_to": "arr_0", "to": None},
    {"list_unsubscribe_post": True},
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of the API."""
    path = tmp_path_factory.mktemp("api")
    copy_empty_sqlite(path / "mailsvc.db")
    harness = open_harness(path, Database(f"sqlite:///{path / 'mailsvc.db'}"))
    yield writer(harness, "shop")
    harness.close()


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong)))
def test_a_mail_is_refused_with_the_errors_of_the_api(wrong: dict[str, Any], client: Client) -> None:
    fields = {**MAIL, **wrong}
    body = {name.removesuffix("_"): value for name, value in fields.items() if value is not None}
    answer = client.call("POST", "/messages", data=json.dumps(body), content_type="application/json").json
    with pytest.raises(mailsvc.ValidationError) as caught:
        made(**wrong)
    error = caught.value

    assert [{"field": e.field, "detail": e.detail} for e in error.errors] == answer["errors"]
    assert (error.code, error.status) == (answer["code"], answer["status"])
    assert str(error) == answer["detail"]


def test_an_unknown_member_of_a_mapping_is_refused_as_by_the_api() -> None:
    with pytest.raises(mailsvc.ValidationError) as caught:
        submission_of(
            {"from": "a@app.test", "to": "b@example.test", "text": "x", "colour": "red"}, {}, Names("a"), Limits()
        )

    assert caught.value.by_field == {"colour": ["is not a field here"]}


@pytest.mark.parametrize(
    ("names", "field"),
    [
        (Names("default", "order-17"), "id"),
        (Names("default", "msg_" + "I" * 26), "id"),
        (Names(""), "app"),
        (Names("a\0"), "app"),
        (Names("default", None, ""), "idempotency_key"),
        (Names("default", None, "k" * 256), "idempotency_key"),
        (Names("default", None, "\ud800"), "idempotency_key"),
    ],
)
def test_what_stands_beside_the_draft_is_checked_too(names: Names, field: str) -> None:
    with pytest.raises(mailsvc.ValidationError) as caught:
        made(names=names)

    assert [error.field for error in caught.value.errors] == [field]


def test_a_mail_over_a_limit_is_refused() -> None:
    with pytest.raises(mailsvc.TooLarge, match="MAX_REQUEST_BYTES"):
        made(text="x" * 2000, limits=Limits(max_request_bytes=1000))
    with pytest.raises(mailsvc.TooLarge, match="MAX_MESSAGE_BYTES"):
        made(text="x" * 2000, limits=Limits(max_message_bytes=1000))


def test_the_composed_size_counts_where_it_is_the_larger_one() -> None:
    """Quoted-printable makes three bytes of each."""
    with pytest.raises(mailsvc.TooLarge, match="sent form"):
        made(text="é" * 10_000 + "plain " * 10_000, limits=Limits(max_message_bytes=90_000))
    assert made(text="plain " * 10_000, limits=Limits(max_message_bytes=90_000))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"colour": "red"}, TypeError),
        ({"attachments": [b"bytes"]}, TypeError),
        ({"to": ("a@example.test", "b@example.test")}, ValueError),
        ({"scheduled_at": datetime(2030, 1, 1)}, ValueError),
    ],
    ids=str,
)
def test_a_value_of_no_use_is_an_error_of_python(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        made(**wrong)


def test_a_finished_message_is_no_draft() -> None:
    with pytest.raises(TypeError, match="EmailMessage"):
        submission_of(EmailMessage(), {}, Names("default"), Limits())  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["keyword", "mapping"])
def test_a_time_from_now_under_a_key_is_refused(place: str) -> None:
    later = {"scheduled_at": timedelta(hours=1)}
    message, fields = (None, later) if place == "keyword" else (later, {})
    with pytest.raises(ValueError, match="idempotency_key"):
        submission_of(message, {**MAIL, **fields}, Names("default", None, "order-17"), Limits())


def test_the_errors_of_many_mails_name_their_places() -> None:
    good = {**MAIL, "tags": []}
    with pytest.raises(mailsvc.ValidationError) as caught:
        submissions_of([good, {**good, "to": ["x", "y"]}, {**good, "text": None}], Names("default"), Limits())

    assert [error.field for error in caught.value.errors] == ["messages.1.to.0", "messages.1.to.1", "messages.2.text"]


def test_more_mails_than_a_statement_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="8000"):
        submissions_of((MAIL for _ in range(8001)), Names("default"), Limits())


def test_errors_can_be_pickled() -> None:
    with pytest.raises(mailsvc.ValidationError) as caught:
        made(to="x")
    again = pickle.loads(pickle.dumps(caught.value))

    assert (again.errors, again.code, str(again)) == (caught.value.errors, "validation_failed", str(caught.value))
    assert isinstance(again, mailsvc.MailsvcError)


def test_every_keyword_is_a_member_of_the_api() -> None:
    from mailsvc.domain.draft import Draft

    assert {name.removesuffix("_") for name in DraftFields.__optional_keys__} <= {
        name.removesuffix("_") for name in Draft.__struct_fields__
    }
