"""What is read of the header of a mail that arrived, however it was written."""

import pytest

from mailsvc import clock
from mailsvc.mime.arrived import addresses_in, read_mail
from tests.support.arrived import FROM, mail


def test_a_plain_mail() -> None:
    """Everything that an arrival shows."""
    arrived = read_mail(
        mail(
            "To: Bert <bert@app.test>, c@app.test\r\nCc: d@app.test\r\nReply-To: sales@shop.test\r\n"
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Tue, 14 Nov 2023 23:13:20 +0100\r\nMessage-ID: <1@shop.test>\r\n"
            "In-Reply-To: <0@app.test>\r\nReferences: <a@app.test>\r\n <0@app.test>\r\n"
        )
    )

    assert arrived.from_ == "Anna <anna@shop.test>"
    assert (arrived.to, arrived.cc) == (("Bert <bert@app.test>", "c@app.test"), ("d@app.test",))
    assert (arrived.reply_to, arrived.subject) == (("sales@shop.test",), "Grüße")
    assert arrived.date == clock.parse_rfc3339("2023-11-14T22:13:20Z")
    assert (arrived.message_id, arrived.in_reply_to) == ("<1@shop.test>", ("<0@app.test>",))
    assert arrived.references == ("<a@app.test>", "<0@app.test>")
    assert (arrived.text, arrived.html, arrived.attachments) == ("Hello\n", None, ())
    assert (arrived.error, arrived.is_readable) == (None, True)
    assert arrived.headers[:2] == (("From", "Anna <anna@shop.test>"), ("To", "Bert <bert@app.test>, c@app.test"))


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("plain", "plain"),
        ("folded\r\n\tonce\r\n twice", "folded once twice"),
        ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?UTF-8?q?a?= =?utf-8?q?b?=\r\n =?utf-8?q?c?= d", "abc d"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("=?utf-8*de?q?=C3=BC?=", "ü"),
        ("=?iso-8859-1?q?Andr=E9?= =?koi8-r?b?1MXT1A==?=", "Andréтест"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?ks_c_5601-1987?B?vsiz58fPvLy/5A==?=", "안녕하세요"),
        ("=?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?=", "こんにちは"),
        ("=?iso-8859-8-i?q?=F9=EC=E5=ED?=", "שלום"),
        ("=?windows-1251?q?=CF=F0=E8=E2=E5=F2?=", "Привет"),
        ("=?us-ascii?q?Really??=", "Really?"),
        ("=?utf-8?q?with spaces inside?=", "with spaces inside"),
        ("=?utf-8?q?never ended", "=?utf-8?q?never ended"),
        ("=?utf-8?q?one =?utf-8?q?two?=", "=?utf-8?q?one two"),
        ("=?utf-8?b?R3LDvMOfZ!Q?=", "Grüße"),
        ("=?x-unknown?q?=C3=BC?=", "ü"),
        ("=?utf-7?q?+ADw-script+AD4-?=", "+ADw-script+AD4-"),
        ("=?utf-8?q?line=0D=0AX:_y?=", "line\ufffd\ufffdX: y"),
        ("=?utf-8?x?a?= =??q?a?= =?", "=?utf-8?x?a?= =??q?a?= =?"),
        ("nul \0 here", "nul \ufffd here"),
    ],
)
def test_a_subject_is_decoded_as_far_as_it_can_be(field: str, shown: str) -> None:
    """RFC 2047, with the mistakes that writers make; a line break can't be hidden in it."""
    assert read_mail(mail(f"Subject: {field}\r\n")).subject == shown


@pytest.mark.parametrize("octets", ["Grüße".encode(), "Grüße".encode("latin-1")])
def test_an_unencoded_subject_is_utf_8_or_else_windows_1252(octets: bytes) -> None:
    """RFC 6532 and what was there before."""
    assert read_mail(FROM.encode() + b"Subject: " + octets + b"\r\n\r\n").subject == "Grüße"


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("a@shop.test", "a@shop.test"),
        ("<a@SHOP.test>", "a@shop.test"),
        ('"Last, First" <a@shop.test>', '"Last, First" <a@shop.test>'),
        ("=?utf-8?q?J=C3=BCrgen?= <j@shop.test>", "Jürgen <j@shop.test>"),
        ('"=?utf-8?q?J=C3=BCrgen?=" <j@shop.test>', "Jürgen <j@shop.test>"),
        ("=?utf-8?q?Last,_First?= <a@shop.test>", '"Last, First" <a@shop.test>'),
        ("=?utf-8?q?evil=40shop.test=3E,?= <a@shop.test>", '"evil@shop.test>," <a@shop.test>'),
        ("a@shop.test (Anna (from the shop))", '"Anna (from the shop)" <a@shop.test>'),
        ("Anna a@shop.test", "Anna <a@shop.test>"),
        ('"Anna <a@shop.test>', "Anna <a@shop.test>"),
        ("Anna (never closed <a@shop.test>", '"Anna (never closed" <a@shop.test>'),
        ("a..b.@carrier.test", "a..b.@carrier.test"),
        ("root@my_host", "root@my_host"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("<@relay.test:a@shop.test>", "a@shop.test"),
        ("x@münchen.test", "x@xn--mnchen-3ya.test"),
        ("first@shop.test, second@shop.test", "first@shop.test"),
        ("MAILER-DAEMON <>", "MAILER-DAEMON"),
        ("<>", None),
        ("", None),
    ],
)
def test_the_author_as_people_and_programs_write_it(field: str, shown: str | None) -> None:
    """RFC 5322 section 3.4, its obsolete forms, and what is neither."""
    assert read_mail(f"From: {field}\r\n\r\n".encode()).from_ == shown


@pytest.mark.parametrize(
    ("field", "addresses"),
    [
        ("Anna <a@shop.test>, b@shop.test", ("a@shop.test", "b@shop.test")),
        ("team: a@shop.test, B <b@shop.test>;, c@shop.test", ("a@shop.test", "b@shop.test", "c@shop.test")),
        ("undisclosed-recipients:;", ()),
        ('"b@shop.test, c@shop.test" <a@shop.test>', ("a@shop.test",)),
        ("=?utf-8?q?b=40shop.test,?= <a@shop.test>", ("a@shop.test",)),
        ("nobody, , <>, a@shop.test,", ("a@shop.test",)),
        ("a@b@shop.test", ()),
    ],
)
def test_the_bare_addresses_of_a_field(field: str, addresses: tuple[str, ...]) -> None:
    """For searching; what a name or an encoded word says is no address."""
    assert addresses_in(field) == addresses


def test_what_is_shown_of_an_author_has_the_same_address() -> None:
    """A decoded name is quoted where it could be taken for an address."""
    arrived = read_mail(b"From: =?utf-8?q?b=40shop.test=2C?= <a@shop.test>\r\n\r\n")

    assert addresses_in(arrived.from_ or "") == ("a@shop.test",)


@pytest.mark.parametrize(
    ("field", "instant"),
    [
        ("14 Nov 2023 22:13:20 GMT", "2023-11-14T22:13:20Z"),
        ("Tue, 14 Nov 2023 22:13 -0000", "2023-11-14T22:13:00Z"),
        ("Tue, 14 Nov 23 17:13:20 EST", "2023-11-14T22:13:20Z"),
        ("Tue, 14 Nov 2023 22:13:20 +0000 (UTC)", "2023-11-14T22:13:20Z"),
        ("Sat, 31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59Z"),
        ("Tue, 31 Feb 2023 22:13:20 +0000", None),
        ("Tue, 14 Nov 2023 22:13:20 +9999999", None),
        ("31 Dec 9999 23:59:59 -2359", None),
        ("1 Jan 99999999999 00:00:00 +0000", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date(field: str, instant: str | None) -> None:
    """RFC 5322 section 3.3 and the obsolete zones."""
    assert read_mail(mail(f"Date: {field}\r\n")).date == (clock.parse_rfc3339(instant) if instant else None)


@pytest.mark.parametrize(
    "raw",
    [
        b"From: a@shop.test\nSubject: s\n\nbody\n",
        b"From: a@shop.test\rSubject: s\r\rbody\r",
        b"From: a@shop.test\r\r\nSubject: s\r\r\n\r\r\nbody\r\r\n",
        b"\r\n\r\nFrom: a@shop.test\r\nSubject: s\r\n\r\nbody\r\n",
        b"From a@shop.test Tue Nov 14 22:13:20 2023\nFrom: a@shop.test\nSubject: s\n\nbody\n",
        b"From : a@shop.test\r\nno field\r\n continued\r\nSubject:s\r\n\r\nbody\r\n",
        b"FROM: a@shop.test\r\nsubject: s\r\nSubject: second\r\n\r\nbody\r\n",
    ],
)
def test_odd_headers_and_line_breaks_are_read(raw: bytes) -> None:
    """As Dovecot reads them: one damaged line hides nothing after it."""
    arrived = read_mail(raw)

    assert (arrived.from_, arrived.subject, arrived.text) == ("a@shop.test", "s", "body\n")


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"no header at all", b"\0" * 100, b"=?utf-8?q?x?=\n\nbody"])
def test_what_has_no_field_is_unreadable(raw: bytes) -> None:
    """And says so."""
    arrived = read_mail(raw)

    assert not arrived.is_readable
    assert arrived.error == "The mail has no header field (RFC 5322); what is missing here is in its raw form."
