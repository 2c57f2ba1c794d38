"""Attachments: base64 in every usual spelling, media types that hide nothing, names that are names."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc.domain.errors import FieldError
from mailsvc.domain.files import check_attachments, standard_base64
from mailsvc.domain.mediatype import media_type_flaw
from mailsvc.domain.prepared import Attachment


@pytest.mark.parametrize(
    ("given", "standard"),
    [
        ("eHl6", "eHl6"),
        ("eHl6\r\neHl6\n", "eHl6eHl6"),
        ("eHl6 \teHl6", "eHl6eHl6"),
        ("_-8=", "/+8="),
        ("_-8", "/+8="),
        ("_-", "/+=="),
        ("_-=", "/+="),  # too little of it is no better than it came
        ("_-8_-8", "/+8/+8=="),
        ("-_8\n-", "+/8+"),
        ("eHk", "eHk"),  # cut short, perhaps: only the URL-safe form may be without its padding
    ],
)
def test_base64_is_written_as_the_standard_does(given: str, standard: str) -> None:
    """RFC 4648 sections 4 and 5."""
    assert standard_base64(given) == standard


@given(st.binary())
def test_any_content_survives_either_alphabet(content: bytes) -> None:
    for encoded in (base64.b64encode(content), base64.urlsafe_b64encode(content), base64.encodebytes(content)):
        assert base64.b64decode(standard_base64(encoded.decode()), validate=True) == content


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/vnd.ms-excel",
        "text/calendar; method=REQUEST; charset=utf-8",
        'application/pdf; name="a b.pdf"',
        r'application/pdf; name="a\"b.pdf"',
        "application/pdf; name*=utf-8'en'a%20b.pdf",
        "application/pdf; name*0=a; name*1=b.pdf",
        "application/pdf;name=a",
        "a/" + "b" * 253,
    ],
)
def test_a_media_type(media_type: str) -> None:
    """RFC 2045 section 5.1, RFC 2231."""
    assert media_type_flaw(media_type) is None


@pytest.mark.parametrize(
    ("media_type", "said"),
    [
        ("", "is not a media type"),
        ("pdf", "is not a media type"),
        ("text/", "is not a media type"),
        ("text/plain;", "is not a media type"),
        ("text/plain; a", "is not a media type"),
        ("text/plain; a=b c", "is not a media type"),
        ('text/plain; a="b', "is not a media type"),
        ("text/plain\r\nBcc: x", "is not a media type"),
        ("a/" + "b" * 254, "is not a media type"),
        ("multipart/mixed", "must not be multipart/*"),
        ("Multipart/Mixed; boundary=x", "must not be multipart/*"),
        ("text/plain; name==?utf-8?q?=0A?=", "must not contain an encoded word"),
        ("a/b; name*=utf-8''a%0Ab", "has a parameter name that must not contain a line feed"),
        ("a/b; NAME*=utf-8''a%0Ab", "has a parameter name that must not contain a line feed"),
        ("a/b; name*0*=utf-8''a%0D; name*1*=b", "has a parameter name that must not contain a carriage return"),
        ("a/b; name*1*=%0A; name*0*=utf-8''a", "has a parameter name that must not contain a line feed"),
        ("a/b; name*=%0A", "has a parameter name that must not contain a line feed"),
        ("a/b; name*=utf-16le''%0A%00", "has a parameter name that must not contain"),
        ("a/b; *=%0A", "has a parameter * that must not contain a line feed"),
        ("a/b; name*=utf-16le'a'%28%20", "has a parameter name that must not contain a line separator"),
        ("a/b; name*=utf-16le''%28%20'x", "has a parameter name that must not contain a line separator"),
        ("a/b; name*=utf-16le''%28%20A", "has a parameter name that must not contain a line separator"),
        ('a/b; name="="; name*0="?x"', "has an encoded word in its parameter name"),
        ("a/b; name*=utf-8'a'%0A", "has a parameter name that must not contain a line feed"),
        ("a/b; name*=utf-8''%FF%0A", "has a parameter name that must not contain a line feed"),
        ("a/b; name*=nonsense''%FF%0A", "has a parameter name that must not contain a line feed"),
        ("a/b; name*=nonsense''%0A", "has a parameter name that must not contain a line feed"),
        ("a/b; name*=utf-8''%3D%3Fx", "has an encoded word in its parameter name"),
        ('a/b; name*0="="; name*1="?x"', "has an encoded word in its parameter name"),
        (r'a/b; name="=\?x"', "has an encoded word in its parameter name"),
    ],
)
def test_what_is_no_media_type_or_hides_something_is_explained(media_type: str, said: str) -> None:
    """A parameter may be cut, numbered, escaped and percent-encoded: read in every way that a reader may read it."""
    assert (media_type_flaw(media_type) or "").startswith(said)
    assert flaw_of(a_file(content_type=media_type)) == FieldError(
        "attachments.0.content_type", media_type_flaw(media_type) or ""
    )


def a_file(**fields: object) -> Attachment:
    return Attachment(**{"filename": "a.pdf", "content": b"x", **fields})  # type: ignore[arg-type]


def flaw_of(*files: Attachment) -> FieldError:
    errors: list[FieldError] = []
    check_attachments(files, errors)
    (error,) = errors
    return error


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is empty"),
        (" . ", "is empty"),
        ("..", "is empty"),
        ("a/b", "must not contain / \\ or a tab"),
        ("a\\b", "must not contain / \\ or a tab"),
        ("a\tb", "must not contain / \\ or a tab"),
        ("a\nb", "must not contain a line feed"),
        ("x" * 256, "is longer than 255 octets"),
        ("é" * 128, "is longer than 255 octets"),
    ],
)
def test_a_name_that_is_none_is_explained(name: str, said: str) -> None:
    error = flaw_of(a_file(), a_file(filename=name))

    assert error.field == "attachments.1.filename"
    assert error.detail.startswith(said)


@pytest.mark.parametrize("name", ["a", "X", ".profile", "a b.pdf", "é" * 127 + "x", "x" * 255])
def test_any_other_name_may_be_given(name: str) -> None:
    errors: list[FieldError] = []

    assert check_attachments((a_file(filename=name),), errors) == (a_file(filename=name),)
    assert errors == []


@pytest.mark.parametrize(
    ("given", "bare"),
    [("logo", "logo"), ("<logo@app>", "logo@app"), ("a.b_c-d@e", "a.b_c-d@e"), ("x" * 200, "x" * 200)],
)
def test_content_ids_lose_their_brackets(given: str, bare: str) -> None:
    errors: list[FieldError] = []
    (checked,) = check_attachments((a_file(content_id=given),), errors)

    assert (checked.content_id, errors) == (bare, [])


@pytest.mark.parametrize("given", ["", "<", "<a", "a>", "a b", "a\nb", "é", "x" * 201, "=?utf-8?q?a?="])
def test_what_is_no_content_id_is_refused(given: str) -> None:
    error = flaw_of(a_file(content_id=given))

    assert error.field == "attachments.0.content_id"
    assert error.detail.startswith("is not a content id")


def test_a_content_id_is_given_once() -> None:
    """With brackets or without."""
    error = flaw_of(a_file(content_id="a"), a_file(content_id="b"), a_file(content_id="<a>"))

    assert error == FieldError("attachments.2.content_id", "is used by an earlier attachment too; give each its own")
