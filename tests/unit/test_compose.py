"""What goes in comes out the same at an independent reader, in bytes that any relay takes."""

import base64
import binascii
import quopri
import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import MIMEPart
from email.utils import collapse_rfc2231_value, getaddresses
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsvc.domain.draft import Attachment
from mailsvc.domain.fieldtext import body_flaw, field_flaw
from mailsvc.mime.bodies import base64_lines, encode_text
from mailsvc.mime.compose import HeaderMismatch, compose
from mailsvc.mime.extract import content_of
from mailsvc.mime.wire import has_long_line, is_crlf_only, verify
from tests.support.drafts import MESSAGE_ID, NOW, composed, faults, prepared, read, received

PLAIN_FIELDS = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]
PLAIN_FIELDS += ["Content-Transfer-Encoding"]
BLOCK = 57 * 1024  # of a file, encoded at once

some = settings(max_examples=150)

field_text = st.text(max_size=200).filter(lambda t: field_flaw(t) is None)
body_text = st.text(max_size=3000).filter(lambda t: body_flaw(t) is None)
name_text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Zs", "Cn", "Cf", "Co"]), max_size=80
)


def is_sendable(raw: bytes) -> bool:
    return raw.isascii() and is_crlf_only(raw) and not has_long_line(raw) and raw.endswith(b"\r\n")


def lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@given(subject=field_text)
@some
def test_any_subject_arrives_as_it_was_given(subject: str) -> None:
    """Encoded where needed, also where it looks encoded already."""
    raw = composed(subject=subject)

    assert is_sendable(raw)
    assert read(raw)["Subject"] == subject
    assert read(raw).keys() == PLAIN_FIELDS


@given(name=name_text.filter(lambda n: field_flaw(n) is None))
@some
def test_any_display_name_arrives_as_it_was_given(name: str) -> None:
    """Quoted, encoded or plain, in a list that is folded."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    raw = composed(cc=[f'"{escaped}" <a@b.test>'] * 2 + ["c@d.test"])

    found = getaddresses([message_from_bytes(raw)["Cc"]])
    assert is_sendable(raw)
    assert [addr for _, addr in found] == ["a@b.test", "a@b.test", "c@d.test"]
    # Python 3.11's newer reader leaves the white space between two encoded words of a name, against RFC 2047.
    assert [str(make_header(decode_header(n))) for n, _ in found[:2]] == [name.strip()] * 2


@given(text=body_text, html=body_text)
@some
def test_any_texts_arrive_as_they_were_given(text: str, html: str) -> None:
    """But for line breaks, which are all alike."""
    raw = composed(text=text, html=html)

    assert is_sendable(raw)
    assert content_of(raw) == (lf(text), lf(html))


@given(text=body_text)
@some
def test_a_text_alone_arrives_with_its_last_line_ended(text: str) -> None:
    """A single body can't do without its last line break."""
    raw = composed(text=text)

    assert is_sendable(raw)
    assert (content_of(raw)[0] or "").removesuffix("\n") == lf(text).removesuffix("\n")


@given(content=st.binary(max_size=2000), name=st.text(min_size=1, max_size=60))
@some
def test_any_file_arrives_as_it_was_given(content: bytes, name: str) -> None:
    """Name and bytes."""
    name = re.sub(r"[/\\\t]", "_", name)
    if field_flaw(name) or not name.strip(" ."):
        return
    raw = composed(attachments=[Attachment(filename=name, content=content)])

    (part,) = read(raw).iter_attachments()
    assert is_sendable(raw)
    # The reader strips it.
    assert (part.get_filename(), part.get_payload(decode=True)) == (name.strip(), content)


@given(value=field_text)
@some
def test_any_custom_header_value_adds_no_other_header(value: str) -> None:
    """No value makes another field; folding keeps every space."""
    raw = composed(headers={"X-A": value})

    message = read(raw)
    assert is_sendable(raw)
    assert message.keys() == [*PLAIN_FIELDS[:5], "X-A", *PLAIN_FIELDS[5:]]
    if "=?" not in value:
        assert message["X-A"] == value.strip(" \t")


def test_the_header_has_only_the_requested_fields() -> None:
    """Bcc is in no form part of it."""
    message = received(bcc="Carol <carol@example.test>", cc="b@example.test", reply_to="r@app.test")

    assert message.keys() == ["From", "To", "Cc", "Reply-To", *PLAIN_FIELDS[2:]]
    assert b"carol" not in composed(bcc="Carol <carol@example.test>")
    assert (message["Date"], message["Message-ID"]) == ("Tue, 14 Nov 2023 22:13:20 +0000", MESSAGE_ID)


def test_a_message_with_only_bcc_shows_undisclosed_recipients() -> None:
    """Some servers would add a field of their own choice."""
    assert received(to=[], bcc="a@b.test")["To"] == "undisclosed-recipients:;"


def test_a_plain_mail_is_readable_as_it_is() -> None:
    """ASCII within 998 octets goes as it was written."""
    assert composed().endswith(b"Content-Transfer-Encoding: 7bit\r\n\r\nIt is on its way.\r\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("Grüße aus der schönen Stadt an der Isar\n" * 5, "quoted-printable"),
        ("Привет из Москвы\n" * 5, "base64"),
    ],
)
def test_a_text_takes_the_shortest_lossless_encoding(text: str, encoding: str) -> None:
    """7bit before quoted-printable before base64."""
    assert received(text=text)["Content-Transfer-Encoding"] == encoding


def shape(message: MIMEPart) -> object:
    """The tree of types, as nested lists."""
    if not message.is_multipart() or message.get_content_maintype() == "message":
        return message.get_content_type()
    return [message.get_content_subtype(), *[shape(part) for part in message.iter_parts()]]


LOGO = Attachment(filename="l.png", content=b"p", content_type="image/png", content_id="<logo@app>")
FILE = Attachment(filename="a.pdf", content=b"f", content_type="application/pdf")
HTML = '<img src="cid:logo@app">'


@pytest.mark.parametrize(
    ("fields", "tree"),
    [
        ({"text": "t"}, "text/plain"),
        ({"text": None, "html": "h"}, "text/html"),
        ({"html": "h"}, ["alternative", "text/plain", "text/html"]),
        ({"attachments": [FILE]}, ["mixed", "text/plain", "application/pdf"]),
        ({"attachments": [LOGO]}, ["mixed", "text/plain", "image/png"]),
        ({"html": "h", "attachments": [LOGO]}, ["mixed", ["alternative", "text/plain", "text/html"], "image/png"]),
        (
            {"html": HTML, "attachments": [LOGO, FILE]},
            ["mixed", ["alternative", "text/plain", ["related", "text/html", "image/png"]], "application/pdf"],
        ),
        ({"text": None, "html": HTML, "attachments": [LOGO]}, ["related", "text/html", "image/png"]),
    ],
)
def test_the_parts_are_nested_as_readers_expect(fields: dict[str, object], tree: object) -> None:
    """A picture that the HTML shows is related to it, everything else is a file."""
    message = received(**fields)

    assert shape(message) == tree
    assert not [part for part in message.walk() if part.defects]


def test_an_embedded_image_keeps_its_content_id() -> None:
    """Both with the angle brackets of RFC 2392 and without them in the input."""
    parts = [part for part in received(html=HTML, attachments=[LOGO]).walk() if part["Content-ID"]]

    assert [(p["Content-ID"], p.get_content_disposition()) for p in parts] == [("<logo@app>", "inline")]


@pytest.mark.parametrize(
    ("content", "kind", "arrives"),
    [
        (b"Subject: x\n\nhi\n", "message/rfc822", b"Subject: x\r\n\r\nhi\r\n"),
        (b"Subject: x\r\n\r\n\xff\n", "application/octet-stream", b"Subject: x\r\n\r\n\xff\n"),
        (b"Subject: " + b"x" * 999, "application/octet-stream", b"Subject: " + b"x" * 999),
    ],
)
def test_an_attached_message_is_never_encoded(content: bytes, kind: str, arrives: bytes) -> None:
    """RFC 2046 section 5.2.1 forbids it; what would need it goes as a mere file."""
    raw = composed(attachments=[Attachment(filename="m.eml", content=content, content_type="message/rfc822")])

    (part,) = read(raw).iter_attachments()
    found = part.get_payload(decode=True) or raw.partition(b'"m.eml"\r\n\r\n')[2].rpartition(b"\r\n--")[0]
    assert (part.get_content_type(), found, is_sendable(raw)) == (kind, arrives, True)


def test_a_text_that_holds_the_boundary_does_not_end_its_part() -> None:
    """Whoever guesses the seed gains nothing."""
    text = "--=_01hf3x_a\r\n\r\nforged\r\n--=_01hf3x_x_a--"

    assert content_of(composed(text=text, html="h")) == (lf(text), "h")


def test_a_reply_references_its_thread() -> None:
    """RFC 5322 section 3.6.4: the last reference is the one replied to."""
    answer = received(references=("<a@x.test>", "<b@x.test>"))

    assert (answer["In-Reply-To"], answer["References"]) == ("<b@x.test>", "<a@x.test> <b@x.test>")
    assert received(in_reply_to="<c@x.test>")["References"] == "<c@x.test>"
    assert "References" not in received(in_reply_to="msg_" + "0" * 26)


@pytest.mark.parametrize(
    ("headers", "asked", "post"),
    [
        ({"List-Unsubscribe": "<mailto:u@x.test>, <https://x.test/u>"}, True, "List-Unsubscribe=One-Click"),
        ({"List-Unsubscribe": "<https://x.test/u>"}, False, None),
        ({"List-Unsubscribe": "<https://x.test/u>", "list-unsubscribe-post": "X"}, True, "X"),
        ({"List-Unsubscribe": "<https://x.test/u>", "List-Unsubscribe-Post": "X"}, False, "X"),
    ],
)
def test_one_click_unsubscribe_needs_the_sender_to_ask_for_it(
    headers: dict[str, str], asked: bool, post: str | None
) -> None:
    """RFC 8058 section 3.1: the mark is there only where it was asked for."""
    assert received(headers=headers, list_unsubscribe_post=asked)["List-Unsubscribe-Post"] == post


def test_one_click_unsubscribe_needs_an_https_uri() -> None:
    """A mailto: can't be posted to."""
    assert "https URI" in faults(list_unsubscribe_post=True)["list_unsubscribe_post"]
    assert faults(list_unsubscribe_post=True, headers={"List-Unsubscribe": "<mailto:u@x.test>"})


def test_an_utf8_address_is_the_one_thing_beyond_ascii() -> None:
    """RFC 6532: it has no other form; the rest stays encoded."""
    raw = composed(to="Jürgen <jürgen@bücher.test>", subject="Grüße")

    assert re.findall(rb"[^\r\n]*[\x80-\xff][^\r\n]*", raw) == [
        "To: =?utf-8?q?J=C3=BCrgen?= <jürgen@xn--bcher-kva.test>".encode()
    ]


def test_header_lines_are_folded_at_78_columns() -> None:
    """RFC 5322 section 2.1.1, wherever there is white space to fold at."""
    to = [f"Person Number {i} Größe <person{i}@example.test>" for i in range(50)]
    raw = composed(to=to, subject="word " * 150 + "end", headers={"X-A": "ü " * 300})

    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert len(read(raw)["To"].addresses) == 50


@pytest.mark.parametrize("name", ["X_Order", "X-App.Part", "X-" + "a" * 198, "!#$%&'*+.^_`|~-"])
@pytest.mark.parametrize("value", ["17", "x" * 998, "ü" * 300, "a b " * 200])
def test_a_header_name_may_be_anything_that_rfc_5322_allows(name: str, value: str) -> None:
    """Providers have names with underscores; no name makes a line too long."""
    raw = composed(headers={name: value})

    assert read(raw)[name] == value.strip()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_long_filenames_are_continued() -> None:
    """RFC 2231 section 3; percent-encoded, so that any reader can put them together."""
    raw = composed(attachments=[Attachment(filename="ü" * 100 + ".pdf", content=b"")])

    pieces = re.findall(rb"filename\*\d+\*=([^;\r]*)", raw)
    assert unquote(b"".join(pieces).decode().removeprefix("utf-8''")) == "ü" * 100 + ".pdf"


def test_the_same_message_is_the_same_bytes() -> None:
    """Retries and repeated commits rely on it."""
    fields: dict[str, Any] = {"html": "h", "attachments": [FILE, LOGO], "headers": {"X-A": "ü"}}

    assert composed(**fields) == composed(**fields)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"From: a\r\nBcc: b\r\n\r\n", "Bcc"),
        (b"From: a\r\n\r\nx\n", "bare"),
        (b"From: a\r\n\r\nx\ry\r\n", "bare"),
        (b"From: a\r\n\r\nx\n\ry\r\n", "bare"),
        (b"From: a\r\n\r\n\0", "bare"),
        (b"From: a\r\n \t\r\n\r\n", "expected"),
        (b" From: a\r\nFrom: a\r\n\r\n", "expected"),
        (b"From: a\nBcc: b\r\n\r\n", "bare"),
        (b"", "expected"),
    ],
)
def test_malformed_composed_bytes_are_rejected(raw: bytes, said: str) -> None:
    """The last guard, whatever went wrong before it."""
    with pytest.raises(HeaderMismatch, match=said):
        verify(raw, ["From"])


def test_an_invalid_message_id_or_reference_is_caught_by_the_final_check() -> None:
    """These come from our own rows, but nothing is taken on trust."""
    with pytest.raises(HeaderMismatch):
        compose(prepared(), message_id="<a@b>\r\nBcc: v@x.test", date=NOW, boundary_seed="s")
    with pytest.raises(HeaderMismatch):
        composed(references=("<a@b>\r\nBcc: v@x.test",))


def test_an_unreadable_message_has_no_content() -> None:
    """A view must not fail on what others wrote."""
    assert content_of(b"") == ("", None)
    assert content_of(b"Content-Type: text/html; charset=nonsense\r\n\r\n\xc3\xbc") == (None, "ü")
    assert content_of(b"Content-Type: application/pdf\r\n\r\nx") == (None, None)


long_line = st.text(st.sampled_from("a=. \t"), min_size=70, max_size=90).map(lambda t: t * 15)


@given(lines=st.lists(st.one_of(long_line, st.text(st.sampled_from("a=. \t"), max_size=80)), max_size=5))
@some
def test_a_long_line_of_ascii_is_quoted_without_cutting_an_escape(lines: list[str]) -> None:
    """RFC 2045 section 6.7: 76 columns, no white space at the end of a line, and the stdlib reads back the same."""
    text = "\r\n".join(lines)
    encoding, body = encode_text(text)

    if encoding == "quoted-printable":
        found = body.split(b"\r\n")
        assert max(map(len, found)) <= 76
        assert not any(line.endswith((b" ", b"\t")) for line in found)
        assert not any(re.search(rb"=[0-9A-F]?=?$", line.removesuffix(b"=")) for line in found)
        assert binascii.a2b_qp(body) == quopri.decodestring(body) == text.encode()


@given(text=st.text(st.sampled_from("\r\n\0a"), max_size=12))
@some
def test_a_line_break_is_crlf_or_refused(text: str) -> None:
    """Also where CR and LF come in equal numbers; NUL is nowhere."""
    rest = text.replace("\r\n", "")

    assert is_crlf_only(text.encode()) == (not set(rest) & set("\r\n\0"))


def test_a_bare_line_break_is_seen_across_the_windows_of_a_large_message() -> None:
    """A pair that is cut in two is still a pair."""
    half = b"x" * ((1 << 20) - 1)

    assert is_crlf_only(half + b"\r\n" + half)
    assert not is_crlf_only(half + b"\rx" + half)
    assert not is_crlf_only(half + b"x\n" + half)
    assert not is_crlf_only(half + b"\r")


@pytest.mark.parametrize("size", [0, 1, 57, 58, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 57])
def test_a_file_of_any_size_is_lines_of_76_columns(size: int) -> None:
    """RFC 2045 section 6.8; whole blocks are cut in another way than the rest."""
    content = bytes(range(256)) * (size // 256 + 1)
    expected = base64.encodebytes(content[:size]).replace(b"\n", b"\r\n")

    assert b"".join(base64_lines(content[:size])) == expected


def test_an_invitation_is_an_alternative() -> None:
    """Calendars look for it beside the text and the HTML (RFC 6047 section 2.4), not among the files."""
    invitation = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
    kind = "text/calendar; charset=utf-8; method=REQUEST"
    raw = composed(
        html="<p>Come</p>",
        attachments=[
            Attachment(filename="invite.ics", content=invitation, content_type=kind, disposition="alternative"),
            Attachment(filename="map.pdf", content=b"1", content_type="application/pdf"),
        ],
    )
    message = read(raw)
    choices, file = message.iter_parts()

    assert (message.get_content_type(), choices.get_content_type()) == ("multipart/mixed", "multipart/alternative")
    assert [part.get_content_type() for part in choices.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    last = list(choices.iter_parts())[-1]
    assert (last["content-type"].params["method"], last.get_content_disposition()) == ("REQUEST", None)
    assert last.get_payload(decode=True) == invitation
    assert file.get_content_disposition() == "attachment"


@pytest.mark.parametrize(
    "html",
    [
        '<img src="cid:logo@app">',
        "<img src='cid:logo@app'>",
        "<img src=cid:logo@app>",
        '<IMG SRC="CID:logo@app">',
        '<img src="&#99;id:logo&#64;app">',
        '<img src="cid:logo%40app">',
        '<img src=" cid:logo@app ">',
        '<td background="cid:logo@app">',
        "<p style=\"background:url('cid:logo@app')\">",
        '<p style="background:url(cid:logo@app)">',
        "<style>p{background:url(\\63id:logo@app)}</style>",
        '<img srcset="x.png 1x, cid:logo@app 2x">',
        '<!--[if mso]><v:fill src="cid:logo@app"/><![endif]-->',
    ],
)
def test_a_picture_is_inline_where_the_html_refers_to_it(html: str) -> None:
    """RFC 2392, in every spelling that HTML and CSS allow; the picture next to it is a file."""
    pictures = [
        Attachment(filename=f"{id_}.png", content=b"1", content_type="image/png", content_id=id_)
        for id_ in ("logo@app", "logo")
    ]
    message = read(composed(html=html, attachments=pictures))

    related = [p for p in message.walk() if p.get_content_type() == "multipart/related"]
    assert [p["content-id"] for p in related[0].iter_parts()] == [None, "<logo@app>"]
    assert [p["content-id"] for p in message.iter_parts() if p.get_content_disposition() == "attachment"] == ["<logo>"]


@pytest.mark.parametrize(
    "html", ["<p>cid:logo@app</p>", '<img src="cid:logo@app2">', '<img src="acid:logo@app">', "<!-- cid:logo@app -->"]
)
def test_an_image_without_a_reference_is_an_attachment(html: str) -> None:
    """A word in the text, or another id, shows nothing."""
    picture = Attachment(filename="logo.png", content=b"1", content_type="image/png", content_id="logo@app")
    message = read(composed(html=html, attachments=[picture]))

    assert not [p for p in message.walk() if p.get_content_type() == "multipart/related"]
    assert [p.get_content_disposition() for p in message.walk() if p["content-id"]] == ["attachment"]


@pytest.mark.parametrize("disposition", ["attachment", "inline"])
def test_a_requested_disposition_is_kept(disposition: Any) -> None:
    """As a file for whom the HTML also shows it, or in line where nothing refers to it."""
    picture = Attachment(
        filename="a.png", content=b"1", content_type="image/png", content_id="a", disposition=disposition
    )
    html = '<img src="cid:a">' if disposition == "attachment" else "<p>no picture</p>"
    message = read(composed(html=html, attachments=[picture]))

    assert [p.get_content_disposition() for p in message.iter_parts() if p["content-id"]] == [disposition]


def test_a_field_may_occur_several_times() -> None:
    """In the order given."""
    message = received(headers={"X-Tag": ["a", "b"], "X-Other": "c"})

    assert message.get_all("X-Tag") == ["a", "b"]
    assert faults(headers={"List-Unsubscribe": ["<mailto:a@x.test>", "<mailto:b@x.test>"]})
    assert list(faults(headers={"X-Tag": ["a", "b\r\nBcc: c@x.test"]})) == ["headers.X-Tag.1"]


def test_an_agent_and_a_language_can_be_named() -> None:
    """Sender (RFC 5322 section 3.6.2) and Content-Language (RFC 3282)."""
    message = received(sender="Desk <desk@app.test>", headers={"Content-Language": "de"})

    assert (message["Sender"], message["Content-Language"]) == ("Desk <desk@app.test>", "de")
    assert list(faults(sender="nobody")) == ["sender"]


def test_a_long_value_is_folded_where_white_space_allows() -> None:
    """Providers take instructions as JSON in a header; no encoded word may get into them."""
    instructions = '{"to": [' + ", ".join(f'"person{n}@example.test"' for n in range(200)) + "]}"
    raw = composed(headers={"X-SMTPAPI": instructions})

    assert read(raw)["X-SMTPAPI"] == instructions
    assert b"=?" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 78 + 25
    assert "folded" in faults(headers={"X-SMTPAPI": instructions.replace(" ", "")})["headers.X-SMTPAPI"]


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain; name==?utf-8?q?a=0ABcc:_x?=",
        'text/plain; name="=?utf-8?b?DQpCY2M6IHg=?="',
        "text/plain\r\nBcc: x",
        'a/b; c="\r\n"',
        "text/plain; name*=utf-8''a%0D%0ABcc:x",
        "text/plain; NAME*=''a%0a",
        "text/plain; name*0*=utf-8''a%0; name*1*=Ab",
        "text/plain; name*1*=Ab; name*0*=utf-8''a%0",
        'text/plain; name*0="="; name*1="?utf-8?q?=0A?="',
        'text/plain; name="=\\?utf-8?q?=0ABcc?="',
        "text/plain; name*=utf-7''+AAo-",
        "text/plain; name*=utf-16-le''a%00%0A%00",
        "text/plain; name*=nonsense''%E2%80%A8",
        "text/plain; *=%0A",
        "text/plain; a*b*0*=%0A",
    ],
)
def test_a_content_type_hides_no_line_break(kind: str) -> None:
    """Lenient readers decode encoded words even in parameters."""
    attachment = Attachment(filename="a", content=b"", content_type=kind)

    assert list(faults(attachments=[attachment])) == ["attachments.0.content_type"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("text/plain; name*=utf-8''Gr%C3%BC%C3%9Fe", "Grüße"),
        ("text/plain; name*0*=utf-8'de'Gr%C3%BC; name*1=%C3%9Fe", "Grü%C3%9Fe"),
        ('text/plain; name="100%0A \\"x\\""; charset=utf-8', '100%0A "x"'),
    ],
)
def test_a_content_type_keeps_its_parameters(kind: str, name: str) -> None:
    """Also in the extended form of RFC 2231; what only looks encoded is a plain value."""
    raw = composed(attachments=[Attachment(filename="a", content=b"", content_type=kind)])
    part = message_from_bytes(raw).get_payload()[1]

    assert collapse_rfc2231_value(part.get_param("name")) == name
