"""Addresses, attachments, times and messages as people have them."""

import io
import pickle
import subprocess
import sys
from copy import copy
from datetime import UTC, date, datetime, timedelta
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pytest

import mailsvc_sdk
from mailsvc_sdk import APIError, Attachment, Mailsvc, Message, ValidationError
from mailsvc_sdk._models.record import decode
from mailsvc_sdk._operations.paths import path
from mailsvc_sdk._sending.addresses import address, addresses
from mailsvc_sdk._sending.attachments import attachment
from mailsvc_sdk._sending.draft import canonical, draft
from mailsvc_sdk._sending.mime import mime_bytes
from mailsvc_sdk._sending.times import instant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a@x.test", "a@x.test"),
        (("Alice", "a@x.test"), "Alice <a@x.test>"),
        (("Doe, Alice", "a@x.test"), '"Doe, Alice" <a@x.test>'),
        (('The "A"', "a@x.test"), '"The \\"A\\"" <a@x.test>'),
        (("Jürgen Müller", "a@x.test"), "Jürgen Müller <a@x.test>"),
        (("", "a@x.test"), "a@x.test"),
        ((None, "a@x.test"), "a@x.test"),
        (Address("Alice", "a", "x.test"), "Alice <a@x.test>"),
        (("a@x.test", "a@x.test"), '"a@x.test" <a@x.test>'),
    ],
)
def test_an_address_becomes_text(value: Any, text: str) -> None:
    assert address(value) == text


def test_several_addresses_are_any_iterable_but_a_tuple_of_two() -> None:
    assert addresses(iter(["a@x.test", ("B", "b@x.test")])) == ["a@x.test", "B <b@x.test>"]
    assert addresses(("A", "a@x.test")) == ["A <a@x.test>"]
    assert addresses("a@x.test") == "a@x.test"
    with pytest.raises(ValueError, match="write a list"):
        addresses(("a@x.test", "b@x.test"))
    with pytest.raises(TypeError):
        addresses([17])  # type: ignore[list-item]


def test_times_need_a_time_zone() -> None:
    assert instant(datetime(2030, 1, 1, 1, tzinfo=UTC)) == "2030-01-01T01:00:00Z"
    assert instant("2030-01-01T01:00:00+02:00") == "2030-01-01T01:00:00+02:00"
    for naive in (datetime(2030, 1, 1), date(2030, 1, 1), 17):
        with pytest.raises(ValueError, match="has no time zone"):
            instant(naive)  # type: ignore[arg-type]


def test_a_time_from_now_and_a_key_of_the_callers_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="scheduled_at"):
        Mailsvc().send(scheduled_at=timedelta(1), idempotency_key="k")
    with pytest.raises(ValueError, match="scheduled_at"):
        Mailsvc().send_batch([{"scheduled_at": timedelta(1)}], idempotency_key="k")


def test_attachments_are_files_and_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"x")
    opened = (tmp_path / "a.tar.gz").open("rb")
    opened.read(1)

    assert attachment(tmp_path / "a.tar.gz")["content_type"] == "application/octet-stream"
    assert attachment(opened) == {"filename": "a.tar.gz", "content": "", "content_type": "application/octet-stream"}
    assert attachment(("a.html", "ü"))["content_type"] == "text/plain; charset=utf-8"
    assert attachment(("a.html", b"<p>"))["content_type"] == "text/html"
    assert attachment(Attachment.inline(b"x", "logo", filename="l.png"))["content_id"] == "logo"
    assert attachment({"filename": "x", "content": "eA=="})["content"] == "eA=="
    for nameless in (b"x", "a.pdf", io.BytesIO(b"x"), 17, Attachment(b"x")):
        with pytest.raises(TypeError):
            attachment(nameless)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        Mailsvc().send(attachments=[tmp_path / "none.pdf"])


def test_keywords_go_over_the_mapping_and_none_is_not_given() -> None:
    assert draft({"from_": "a@x.test", "text": "old", "tags": ["t"]}, {"text": "new", "html": None}) == {
        "from": "a@x.test",
        "text": "new",
        "tags": ["t"],
    }
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()


def test_an_unknown_keyword_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="subjekt"):
        Mailsvc().send(subjekt="Hi")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="subject"):
        Mailsvc().send(EmailMessage(), subject="Hi")
    with pytest.raises(TypeError, match="send_raw"):
        Mailsvc().send_batch([EmailMessage()])  # type: ignore[list-item]


MIME = """
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from mailsvc_sdk._sending.mime import mime_bytes
from hashlib import sha256
inner = MIMEMultipart("alternative")
inner.attach(MIMEText("a"))
outer = MIMEMultipart("mixed")
outer["Subject"] = "x"
outer.attach(inner)
print(sha256(mime_bytes(outer)).hexdigest())
"""


def test_the_same_mime_message_is_the_same_bytes_in_any_process() -> None:
    runs = {subprocess.run([sys.executable, "-c", MIME], capture_output=True, check=True).stdout for _ in range(2)}

    assert len(runs) == 1 and runs.pop().strip()


def test_a_mime_message_is_left_as_it_is_and_its_lines_end_in_crlf() -> None:
    message = MIMEMultipart()
    message["Subject"] = Header("Grüße", "utf-8")  # type: ignore[assignment]
    message.attach(MIMEText("From here\n.\nx"))
    data = mime_bytes(message)

    assert message.get_boundary() is None
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r\nFrom here\r\n" in data
    assert mime_bytes("Subject: ü\r\n\r\nx") == "Subject: ü\r\n\r\nx".encode()


@pytest.mark.parametrize("id_", ["", "a/b"])
def test_what_can_be_no_id_is_told_before_it_is_sent(id_: str) -> None:
    with pytest.raises(ValueError):
        Mailsvc().messages.get(id_)
    assert path("messages", "a b?") == "/v1/messages/a%20b%3F"


def test_a_record_keeps_what_it_does_not_know_and_shows_no_content() -> None:
    message = decode(Message, {"id": "msg_1", "status": "new word", "from": "a@x.test", "text": "secret", "later": 1})

    assert (message.extra, message.from_, message.subject) == ({"later": 1}, "a@x.test", None)
    assert repr(message) == "Message(id='msg_1', status='new word')"
    assert hash(message) == hash(decode(Message, {"id": "msg_1"})) and message != decode(Message, {"id": "msg_1"})
    assert pickle.loads(pickle.dumps(message)) == message
    with pytest.raises(AttributeError):
        message.status = "sent"  # type: ignore[misc]


def made_errors() -> list[BaseException]:
    found: list[BaseException] = []
    for name in sorted(mailsvc_sdk.__all__):
        kind = getattr(mailsvc_sdk, name)
        if not isinstance(kind, type) or not issubclass(kind, mailsvc_sdk.MailsvcError):
            continue
        needed: dict[str, Any] = {
            "WaitFailed": {"message": None},
            "BatchError": {"result": None},
            "SignatureError": {"reason": "body"},
        }
        if issubclass(kind, APIError):
            found.append(
                kind(status=422, code="x", errors=(mailsvc_sdk.FieldError("to.0", "bad"),), request_id="req_1")
            )
        else:
            found.append(kind("text", **needed.get(name, {})))
    return found


@pytest.mark.parametrize("error", made_errors(), ids=lambda error: type(error).__name__)
def test_every_error_can_be_pickled_and_copied(error: BaseException) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy(error)):
        assert type(again) is type(error)
        assert (str(again), vars(again)) == (str(error), vars(error))


def test_an_error_says_what_a_log_needs() -> None:
    errors = (mailsvc_sdk.FieldError("to.0", "no @"), mailsvc_sdk.FieldError("to.0", "empty"))
    error = ValidationError(status=422, code="validation_failed", errors=errors, request_id="req_1")

    assert str(error) == "422 validation_failed: to.0: no @; to.0: empty (request req_1)"
    assert error.by_field == {"to.0": ["no @", "empty"]}
