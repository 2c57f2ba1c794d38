"""An 8-bit message made 7-bit says the same to an independent reader, unless it is signed."""

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsvc.mime.sevenbit import seven_bit
from tests.support.drafts import read

HEAD = b"From: a@b.test\r\nMIME-Version: 1.0\r\n"
TEXT = (
    HEAD
    + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nX: y\r\n\r\nGrüße\r\n".encode()
)
NESTED = (
    HEAD
    + (
        'Content-Type: multipart/mixed;\r\n boundary="o u"\r\n\r\npreamble\r\n--o u\r\nContent-Type: multipart/alternative; boundary=in\r\n'
        "Content-Transfer-Encoding: 8bit\r\n\r\n--in\r\n\r\nplain\r\n--in\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>ü</p>\r\n--in--\r\n\r\n"
        "--o u\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\nü\r\nü\r\n--o u\r\n"
        "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nü inside\r\n--o u\r\n\r\nno header but ü\r\n--o u--\r\nepilogue\r\n"
    ).encode()
)


def contents(raw: bytes) -> list[tuple[str, bytes]]:
    """The decoded leaves."""
    leaves = [part for part in read(raw).walk() if not part.is_multipart()]
    return [(part.get_content_type(), part.get_payload(decode=True) or b"") for part in leaves]


@pytest.mark.parametrize("raw", [TEXT, NESTED, TEXT.replace(b"8bit", b"8BIT"), TEXT.replace(b": 8bit", b":\r\n 8bit")])
def test_every_leaf_keeps_its_content(raw: bytes) -> None:
    """Only the encoding changes, of the parts that need it."""
    changed = seven_bit(raw)

    assert changed.isascii() and changed != raw
    assert contents(changed) == contents(raw)


@pytest.mark.parametrize("name", [b"Content-Type", b"MIME-Version", b"From", b"Content-Transfer-Encoding"])
def test_obsolete_white_space_before_a_colon_hides_no_structure(name: bytes) -> None:
    """The standard library's reader ends the header there, and the parts would be taken for text."""
    changed = seven_bit(NESTED.replace(name + b":", name + b" \t:"))

    assert changed.isascii()
    assert contents(changed.replace(b" \t:", b":")) == contents(NESTED)


@pytest.mark.parametrize(
    "raw",
    [
        NESTED.replace(b"From: a@b.test", b"no field"),
        NESTED.replace(b"Content-Type: text/html", b"no field\r\nContent-Type: text/html"),
        NESTED.replace(b"Content-Type: text/html", b"Content-Type: text/plain\r\nContent-Type: text/html"),
        NESTED.replace(b"multipart/alternative;", b"multipart alternative;"),
        NESTED.replace(b"multipart/mixed;", b"multipart/digest;"),
        NESTED.replace(b"boundary=in", b"boundary*0*=nonsense'%ff'%ff"),
        NESTED.replace(b"boundary=in", b"boundary*" + b"9" * 5000 + b"*=in"),
        HEAD + "Content-Type: message/rfc822\r\n\r\nSubject: ü\r\n\r\nx\r\n".encode(),
        HEAD + "Content-Type: message/rfc822\r\n\r\nSubject: ü\r\n\r\nü\r\n".encode(),
    ],
)
def test_an_ambiguous_message_is_not_changed(raw: bytes) -> None:
    """Nothing may come out as something else, and 8-bit never under the name of 7bit."""
    assert seven_bit(raw) == raw


def many_parts(count: int, head: bytes = b"Content-Type: text/plain\r\n") -> bytes:
    parts = b"--q\r\n" + head + b"\r\n\xc3\xbc\r\n"
    return HEAD + b"Content-Type: multipart/mixed; boundary=q\r\n\r\n" + parts * count + b"--q--\r\n"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "raw",
    [
        many_parts(300_000),
        many_parts(1000, b"Content-Type: text/plain" + b";\r\n a=b" * 2500 + b"\r\n"),
        HEAD + b"Content-Type: text/plain" + b";\r\n a=b" * 25_000 + b"\r\n\r\n\xc3\xbc\r\n",
    ],
)
def test_a_message_too_slow_to_convert_is_not_changed(raw: bytes) -> None:
    """A message of very many parts, or with huge headers: nobody else may wait for it."""
    assert seven_bit(raw) == raw


@pytest.mark.parametrize(
    "kind", [b"(a) multipart/signed", b"multipart/signed (a)", b" Multipart/Signed ", b"multipart\r\n /signed"]
)
def test_a_comment_in_a_content_type_hides_no_signature(kind: bytes) -> None:
    """RFC 5322 section 3.2.2 allows it there."""
    raw = NESTED.replace(b"multipart/alternative", kind)

    assert seven_bit(raw) == raw


def test_many_parts_are_encoded_one_by_one() -> None:
    """As many as real mail has."""
    assert contents(seven_bit(many_parts(300))) == [("text/plain", "ü".encode())] * 300


def test_a_seven_bit_message_is_not_changed() -> None:
    raw = HEAD + b"\r\nHello\r\n"

    assert seven_bit(raw) is raw


def test_an_undeclared_text_gets_mime_headers() -> None:
    """Without MIME-Version, readers pass over the encoding (RFC 2045 section 4)."""
    message: EmailMessage = read(seven_bit("Subject: s\r\n\r\nGrüße\r\n".encode()))

    assert (message["MIME-Version"], message.get_content().strip()) == ("1.0", "Grüße")


@pytest.mark.parametrize(
    "raw",
    [
        b"DKIM-Signature: v=1;\r\n b=x\r\n" + TEXT,
        b"ARC-Seal: i=1\r\n" + TEXT,
        TEXT + b"-----BEGIN PGP SIGNED MESSAGE-----\r\n",
        NESTED.replace(b"multipart/alternative", b"multipart/signed"),
        TEXT.replace(b"text/plain", b"application/pkcs7-mime"),
        NESTED.replace(b"--o u--", b"--o u"),
        NESTED.replace(b"Content-Type: text/html; charset=utf-8", b"Content-Type : application/pkcs7-mime"),
        NESTED.replace(b"Subject: inner", b"DKIM-Signature: v=1;\r\n b=x"),
    ],
)
def test_a_signed_or_unterminated_part_is_not_changed(raw: bytes) -> None:
    """A signature over it would break."""
    assert seven_bit(raw) == raw


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_body_survives_the_conversion(body: bytes) -> None:
    """Whatever is in it: the decoded text is the same, or nothing was changed."""
    body = body.replace(b"\r", b"").replace(b"\n", b"\r\n").replace(b"\0", b"") + b"\r\n"
    raw = HEAD + b"Content-Type: text/plain; charset=latin-1\r\n\r\n" + body
    changed = seven_bit(raw)

    assert read(changed).get_payload(decode=True) == read(raw).get_payload(decode=True) == body
    assert changed.isascii()
