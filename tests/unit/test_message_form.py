"""What of an application's input is refused, under which field, and what becomes of the rest."""

import re

import msgspec
import pytest

from mailsvc import clock
from mailsvc.domain.draft import Attachment, Draft, Limits, Recipient, require_size
from mailsvc.domain.errors import Invalid, TooLarge
from mailsvc.domain.message_form import check, check_handling
from tests.support.drafts import LIMITS, NOW, a_draft, composed, faults, prepared

BREAKS = [
    "\r\nBcc: v@x.test",
    "\n",
    "\r",
    "\0",
    "\x1b",
    "\x7f",
    "\u2028",
    "\u2029",
    "\x85",
    "\ud800",
    "=?UTF-8?Q?=0A?=",
]


def a_file(**fields: object) -> Attachment:
    return msgspec.structs.replace(Attachment(filename="a.pdf", content=b"x"), **fields)


def test_the_documented_example_is_accepted() -> None:
    """The JSON of the contract, field for field; base64 is decoded."""
    draft = msgspec.json.decode(
        b'{"from": "Shop <orders@app.test>", "to": ["Alice <alice@example.test>"], "cc": [], "bcc": [], "reply_to": [],'
        b'"subject": "Your order", "text": "x", "html": "y", "headers": {"X-Order": "17"},'
        b'"attachments": [{"filename": "a.pdf", "content_type": "application/pdf", "content": "eHl6", "content_id": null}],'
        b'"template": null, "variables": {}, "tags": ["receipt"], "metadata": {"order": "17"}, "scheduled_at": null,'
        b'"expires_in": 259200, "priority": "normal", "relay": null, "on_uncertain": "resend",'
        b'"delivery_receipt": false, "in_reply_to": null}',
        type=Draft,
    )
    assert check(draft, limits=LIMITS, now=NOW).attachments[0].content == b"xyz"


@pytest.mark.parametrize(
    "body", [b'{"from": "a@b.test", "too": "x"}', b'{"to": "a@b.test"}', b'{"from": "a@b.test", "priority": "urgent"}']
)
def test_an_unknown_missing_or_mistyped_field_is_rejected(body: bytes) -> None:
    """Types are msgspec's part: what is misspelt is never ignored."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Draft)


def test_all_invalid_fields_are_reported_together() -> None:
    """Nobody should need five requests to learn of five faults."""
    found = faults(from_="x", to=["a@b.test", "b"], cc="c", headers={"Bcc": "x@y.test"}, scheduled_at="soon", tags=[""])

    assert list(found) == ["from", "to.1", "cc", "headers.Bcc", "tags.0", "scheduled_at"]


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("from", lambda t: {"from_": f"Shop{t} <a@b.test>"}),
        ("to", lambda t: {"to": f"A{t} <a@b.test>"}),
        ("to.0", lambda t: {"to": [f'"A{t}" <a@b.test>']}),
        ("cc", lambda t: {"cc": f"A{t} <a@b.test>"}),
        ("bcc", lambda t: {"bcc": f"A{t} <a@b.test>"}),
        ("reply_to", lambda t: {"reply_to": f"A{t} <a@b.test>"}),
        ("subject", lambda t: {"subject": f"x {t}"}),
        ("headers.X-A", lambda t: {"headers": {"X-A": f"x{t}y"}}),
        ("attachments.0.filename", lambda t: {"attachments": [a_file(filename=f"a{t}.pdf")]}),
        ("attachments.0.content_type", lambda t: {"attachments": [a_file(content_type=f"text/plain{t}")]}),
        ("attachments.0.content_id", lambda t: {"attachments": [a_file(content_id=f"a{t}<")]}),
        ("in_reply_to", lambda t: {"in_reply_to": f"<a{t} @b>"}),
        ("relay", lambda t: {"relay": f"a{t}"}),
        ("tags.0", lambda t: {"tags": [f"a{t}"]}),
    ],
)
def test_line_breaks_are_rejected_in_every_header_field(field: str, fields: object, text: str) -> None:
    """Not plainly, not by Unicode, not encoded (CVE-2024-6923 and its kind)."""
    assert callable(fields)

    assert list(faults(**fields(text))) == [field]


def test_an_encoded_word_with_a_line_break_is_rejected() -> None:
    """``EmailMessage`` of Python 3.11.7 makes a Bcc field of this subject."""
    assert "hides a line feed" in faults(subject="x =?UTF-8?Q?=0A?=Bcc: victim")["subject"]


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-7?Q?+AAo-?=",
        "=?utf-16?b?AAoACg==?=",
        "=?utf-8?b?4oA=?= =?utf-8?b?qA==?=",
        "=?UTF-8*en?q?a b=0D?=",
        "=?x?b?Cg?=",
        "=??q?=00?=",
    ],
)
def test_an_encoded_line_break_is_found_in_any_charset(subject: str) -> None:
    """Also where it is spread over two words, badly padded or of no known charset."""
    assert "encoded word" in faults(subject=subject)["subject"]


@pytest.mark.parametrize("text", ["\0", "a\ud800"])
@pytest.mark.parametrize("field", ["text", "html"])
def test_a_body_with_nul_or_a_lone_surrogate_is_rejected(field: str, text: str) -> None:
    """Neither can be sent; all else can."""
    assert list(faults(**{field: text})) == [field]
    assert prepared(**{field: "\x1b\u2028\x85\f"})


def test_metadata_with_a_lone_surrogate_is_rejected() -> None:
    """They could not be stored; the name of the field in the answer is clean, too."""
    assert list(faults(metadata={"a": "\ud800"})) == ["metadata.a"]
    assert list(faults(metadata={"\ud800": "a"})) == ["metadata.\ufffd"]


@pytest.mark.parametrize("given", ["a\nb\r\nc\rd", "a\rb\nc\nd"])
def test_line_breaks_of_bodies_become_crlf(given: str) -> None:
    """In the wire form there is no other."""
    assert prepared(text=given).text == "a\r\nb\r\nc\r\nd"


def test_duplicate_recipients_are_merged() -> None:
    """To before cc before bcc, without regard to case; the first spelling is used."""
    message = prepared(to=["a@B.test", "a@b.test", "A@b.test"], cc="a@b.TEST", bcc=["x@b.test", "A@b.test"])

    assert message.recipients == (
        Recipient("a@b.test", "to", False),
        Recipient("x@b.test", "bcc", False),
    )


def test_an_utf8_address_in_a_header_makes_every_delivery_need_smtputf8() -> None:
    """The header goes to all; a blind copy is in none."""
    shown, blind = prepared(cc="jürgen@b.test"), prepared(bcc="jürgen@b.test")

    assert [r.needs_smtputf8 for r in shown.recipients] == [True, True]
    assert [r.needs_smtputf8 for r in blind.recipients] == [False, True]


def test_a_missing_recipient_is_reported_for_the_field_to() -> None:
    """A bcc alone is enough."""
    assert list(faults(to=[])) == ["to"]
    assert prepared(to=[], bcc="a@b.test").recipients


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Bcc", "field bcc"),
        ("SUBJECT", "field subject"),
        ("Reply-To", "field reply_to"),
        ("References", "field in_reply_to"),
        ("In-Reply-To", "field in_reply_to"),
        ("Content-Type", "attachments"),
        ("Content-Foo", "attachments"),
        ("Content-Foo-Bar", "attachments"),
        ("MIME-Version", "service"),
        ("Message-ID", "service"),
        ("Return-Path", "return_path"),
        ("DKIM-Signature", "servers"),
        ("ARC-Seal", "servers"),
        ("Resent-To", "message/rfc822"),
        ("X A", "letters"),
        ("X:", "letters"),
        ("X\r\nBcc", "letters"),
        ("", "letters"),
        ("Ü", "letters"),
        ("X" * 201, "letters"),
    ],
)
def test_structural_and_impossible_header_names_are_refused(name: str, said: str) -> None:
    """The detail says which field serves instead."""
    (detail,) = faults(headers={name: "x"}).values()

    assert said in detail


def test_a_header_twice_in_different_case_is_refused() -> None:
    """Readers would differ about which counts."""
    assert list(faults(headers={"X-A": "1", "x-a": "2"})) == ["headers.x-a"]


def test_headers_keep_tabs_and_lose_outer_white_space() -> None:
    """A tab is white space of RFC 5322."""
    assert prepared(headers={"X-A": " a\tb "}).headers == {"X-A": "a\tb"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"subject": "ü" * 500}, "subject"),
        ({"headers": {"X-A": "x" * 999}}, "headers.X-A"),
        ({"headers": {"List-Help": f"<https://a.test/{'x' * 971}>"}}, "headers.List-Help"),  # a line of 999
        ({"headers": {f"X-{i}": "x" for i in range(101)}}, "headers"),
        ({"headers": {"List-Unsubscribe": "<https://ü.test>"}}, "headers.List-Unsubscribe"),
        ({"to": ["a@b.test"] * 1001}, "to"),
        ({"reply_to": ["a@b.test"] * 1001}, "reply_to"),
        ({"attachments": [a_file()] * 101}, "attachments"),
        ({"tags": ["t"] * 11}, "tags"),
        ({"tags": ["t" * 101]}, "tags.0"),
        ({"metadata": {str(i): "" for i in range(51)}}, "metadata"),
        ({"metadata": {"k" * 41: ""}}, "metadata." + "k" * 40),
        ({"metadata": {"k": "v" * 501}}, "metadata.k"),
        ({"to": ""}, "to"),
        ({"to": []}, "to"),
        ({"to": ["a@b.test"] * 1000, "reply_to": ["a@b.test"] * 1001}, "reply_to"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers.x-a"),
        ({"headers": {"X-A": "x " * 500 + "y" * 993}}, "headers.X-A"),
        ({"tags": [""]}, "tags.0"),
        ({"expires_in": 59}, "expires_in"),
        ({"expires_in": 31_622_401}, "expires_in"),
        ({"headers": {"X-A": ("x",) * 101}}, "headers"),
        ({"headers": {"List-Help": ("<https://a.test>", "<https://b.test>")}}, "headers.List-Help"),
        ({"headers": {"X-A": ("x", "y\n")}}, "headers.X-A.1"),
        ({"relay": "r" * 256}, "relay"),
        ({"relay": ""}, "relay"),
        ({"in_reply_to": "<" + "a" * 251 + ">"}, "in_reply_to"),
        ({"return_path": "Shop <a@b.test>"}, "return_path"),
        ({"sender": "x"}, "sender"),
        ({"list_unsubscribe_post": True}, "list_unsubscribe_post"),
        (
            {"list_unsubscribe_post": True, "headers": {"List-Unsubscribe": "<mailto:u@x.test>"}},
            "list_unsubscribe_post",
        ),
        ({"scheduled_at": clock.rfc3339(NOW + 366 * clock.DAY + 1)}, "scheduled_at"),
        ({"expires_in": 10**9}, "expires_in"),
        ({"in_reply_to": "hello"}, "in_reply_to"),
        ({"in_reply_to": "dlv_01arz3ndektsv4rrffq69g5fav"}, "in_reply_to"),
        ({"template": "welcome"}, "template"),
        ({"text": None}, "text"),
        ({"scheduled_at": "2024-01-01T00:00:00"}, "scheduled_at"),
        ({"scheduled_at": "2025-01-01T00:00:00Z"}, "scheduled_at"),
        ({"attachments": [a_file(filename="../a")]}, "attachments.0.filename"),
        ({"attachments": [a_file(filename="a\\b")]}, "attachments.0.filename"),
        ({"attachments": [a_file(filename="..")]}, "attachments.0.filename"),
        ({"attachments": [a_file(filename="x" * 256)]}, "attachments.0.filename"),
        ({"attachments": [a_file(content_type="pdf")]}, "attachments.0.content_type"),
        ({"attachments": [a_file(content_type='a/b; x="\\')]}, "attachments.0.content_type"),
        ({"attachments": [a_file(content_type="multipart/mixed")]}, "attachments.0.content_type"),
        ({"attachments": [a_file(content_id="a"), a_file(content_id="<a>")]}, "attachments.1.content_id"),
    ],
)
def test_a_value_over_a_limit_or_malformed_is_reported(fields: dict[str, object], field: str) -> None:
    """One fault, one field, and what to do about it as the second half of a sentence."""
    ((found, detail),) = faults(**fields).items()

    assert found == field
    assert re.match(r"(is|has|must|can't|names|needs|may|templates|verify|the key) .*\w", detail)


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "x" * 998},
        {"headers": {"X-A": "x" * 998}},
        {"headers": {"X" * 200: "x"}},
        {"headers": {f"X-{i}": "x" for i in range(100)}},
        {"headers": {"X-A": ("x",) * 100}},
        {"headers": {"X-A": "x " * 500 + "y" * 992}},
        {"headers": {"List-Help": ("<https://a.test>",)}},
        {"headers": {"List-Help": f"<https://a.test/{'x' * 970}>"}},
        {"headers": {"Content-Language": "de"}},
        {"headers": {"Arc": "x", "XXXX": "x", "X-Resent-By": "x"}},
        {"to": [f"a{i}@b.test" for i in range(1000)]},
        {"reply_to": ["a@b.test"] * 1000},
        {"attachments": [a_file()] * 100},
        {"tags": ["t" * 100] * 10},
        {"metadata": {"k" * 40: "v" * 500, **{str(i): "" for i in range(49)}}},
        {"expires_in": 60},
        {"expires_in": 31_622_400},
        {"in_reply_to": "<" + "a" * 250 + ">"},
        {"in_reply_to": "msg_01arz3ndektsv4rrffq69g5fav"},
        {"in_reply_to": "arr_01arz3ndektsv4rrffq69g5fav"},
        {"relay": "r" * 255},
        {"return_path": "b" * 64 + "@app.test"},
        {"scheduled_at": clock.rfc3339(NOW + 366 * clock.DAY)},
        {"list_unsubscribe_post": True, "headers": {"list-unsubscribe": "<mailto:u@x.test>, <HTTPS://x.test/u>"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_is_just_within_a_limit_is_accepted(fields: dict[str, object]) -> None:
    """One more would be refused."""
    assert prepared(**fields)


@pytest.mark.parametrize(
    ("given", "instant"),
    [("2023-11-14T22:13:20Z", None), ("2020-01-01T00:00:00Z", None), ("2023-11-14T23:13:21+01:00", NOW + clock.SECOND)],
)
def test_a_time_in_the_past_means_now(given: str, instant: int | None) -> None:
    """Only what lies ahead waits."""
    assert prepared(scheduled_at=given).scheduled_at == instant


def test_a_message_over_the_limit_is_too_large() -> None:
    """413, and the detail names the setting; base64 counts."""
    draft = a_draft(attachments=[a_file(content=b"x" * 800)])

    with pytest.raises(TooLarge, match="MAILSVC_MAX_MESSAGE_BYTES"):
        check(draft, limits=Limits(max_message_bytes=1000), now=NOW)


def test_a_message_may_be_as_large_as_the_limit() -> None:
    require_size(1000, Limits(max_message_bytes=1000))

    with pytest.raises(TooLarge, match=r"^The message is 1001 bytes in its sent form, 1000 are allowed \(MAILSVC_MAX"):
        require_size(1001, Limits(max_message_bytes=1000))


def test_limits_are_named_by_their_settings() -> None:
    """So that whoever runs the service finds what to change."""
    with pytest.raises(Invalid, match="MAILSVC_MAX_RECIPIENTS"):
        check(a_draft(to=["a@b.test", "b@b.test"]), limits=Limits(max_recipients=1), now=NOW)


HANDLING = {
    "tags": ("a",),
    "metadata": {"k": "v"},
    "expires_in": 600,
    "priority": "high",
    "relay": "main",
    "on_uncertain": "hold",
    "delivery_receipt": True,
}
AHEAD = {"scheduled_at": clock.rfc3339(NOW + clock.HOUR)}


def test_what_was_asked_for_is_kept() -> None:
    """A message is handled as its sender wants, given as JSON or finished."""
    message = prepared(**HANDLING, **AHEAD, return_path="bounces@app.test", in_reply_to="<a@b>", sender="s@app.test")
    handling = check_handling(a_draft(**HANDLING, **AHEAD), now=NOW)

    for asked in (message, handling):
        assert {name: getattr(asked, name) for name in HANDLING} == HANDLING
        assert asked.scheduled_at == NOW + clock.HOUR
    assert (message.return_path, message.in_reply_to, str(message.agent)) == ("bounces@app.test", "<a@b>", "s@app.test")


def test_the_handling_of_a_finished_message_has_every_fault_named() -> None:
    """As that of one in JSON has; what is said of its content is passed over."""
    draft = a_draft(tags=[""], metadata={"": "v"}, expires_in=1, scheduled_at="soon", to=[], text=None)
    with pytest.raises(Invalid) as refused:
        check_handling(draft, now=NOW)

    assert [e.field for e in refused.value.errors] == ["tags.0", "metadata.", "expires_in", "scheduled_at"]
    assert check_handling(a_draft(), now=NOW).scheduled_at is None


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"to": []}, "to", "names nobody"),
        ({"to": ["x"]}, "to.0", "has no @"),
        (
            {"attachments": [a_file()] * 101},
            "attachments",
            "has 101 entries, 100 are allowed (MAILSVC_MAX_ATTACHMENTS)",
        ),
        ({"scheduled_at": "soon"}, "scheduled_at", "is not an RFC 3339 time"),
        ({"scheduled_at": "2033-01-01T00:00:00Z"}, "scheduled_at", "is more than a year ahead"),
        ({"headers": {f"X-{i}": "x" for i in range(101)}}, "headers", "has too many entries, at most 100"),
        ({"headers": {"List-Help": ("a", "b")}}, "headers.List-Help", "may be there only once (RFC 2369)"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers.x-a", "is given twice"),
        ({"headers": {"List-Help": "é"}}, "headers.List-Help", "must be ASCII"),
        ({"tags": [""]}, "tags.0", "is empty"),
        ({"html": "\0"}, "html", "must not contain NUL"),
    ],
)
def test_a_fault_says_what_is_wrong(fields: dict[str, object], field: str, said: str) -> None:
    assert faults(**fields)[field].startswith(said)


def test_one_recipient_is_one_however_it_is_given() -> None:
    assert check(a_draft(to="a@b.test"), limits=Limits(max_recipients=1), now=NOW).recipients


@pytest.mark.parametrize(
    "fields", [{"text": "x" * 600, "html": "y" * 600}, {"attachments": [a_file(content=b"x" * 900)]}]
)
def test_a_giant_is_refused_before_it_is_composed(fields: dict[str, object]) -> None:
    """By the texts together, or by a file in base64."""
    with pytest.raises(TooLarge):
        check(a_draft(**fields), limits=Limits(max_message_bytes=1000), now=NOW)


def test_the_estimate_is_never_above_the_size() -> None:
    """Else a message just within the limit would be refused."""
    fields = {"text": "x", "attachments": [a_file(content=b"x" * 57 * 5000)]}
    limits = Limits(max_message_bytes=len(composed(**fields)))

    assert check(a_draft(**fields), limits=limits, now=NOW)
