"""Whatever arrives: the reader never raises, its work grows no faster than the mail, and what it keeps is bounded."""

import random
import sys
import tracemalloc
from collections.abc import Callable
from itertools import islice
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsvc.mime.arrived import ArrivedMail, attachment_content, read_mail
from tests.support.arrived import FROM, mail, multipart, part
from tests.support.mutation import mutated

MIB = 1 << 20


def nested(depth: int, *, boundary: str = "b{}") -> bytes:
    """Multiparts inside one another, none of which ends."""
    names = [boundary.format(n) for n in range(depth)]
    levels = [f'Content-Type: multipart/mixed; boundary="{name}"\r\n\r\n--{name}\r\n' for name in names]
    return (FROM + "".join(levels) + "\r\ninnermost").encode()


def mixed(body: bytes) -> bytes:
    return mail('Content-Type: multipart/mixed; boundary="b"\r\n', body)


def header(name: str, piece: str) -> Callable[[int], bytes]:
    """A field whose value is the piece over and over, as far as the limit of the header allows."""
    return lambda n: f"{FROM}{name}: {piece * min(n, 255_000 // len(piece))}\r\n\r\n".encode()


def html(piece: str) -> Callable[[int], bytes]:
    return lambda n: mail("Content-Type: text/html\r\n", piece * n)


def encoded(encoding: str, piece: bytes) -> Callable[[int], bytes]:
    return lambda n: mail(f"Content-Type: a/b\r\nContent-Transfer-Encoding: {encoding}\r\n", piece * n)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "nested": nested,
    "nested, one boundary": lambda n: nested(n, boundary="b"),
    "parts": lambda n: mixed(b"--b\r\nContent-Type: text/html\r\n\r\nx\r\n" * n),
    "parts without an empty line": lambda n: mixed(b"--b\r\nContent-Type: a/b\r\n" * n),
    "delimiters only": lambda n: mixed(b"--b\n" * n),
    "delimiters of nothing": lambda n: mixed(b"--c\n" * n),
    "boundaries that begin alike": lambda n: nested(60, boundary="b" * 9) + b"".join(b"--" + b"b" * (k % 70) + b"\n" for k in range(n)),
    "fields": lambda n: b"a:b\n" * n,
    "folds": lambda n: b"a:b\n" + b" c\n" * n,
    "bare CR": lambda n: mail("", b"\r" * n),
    "CR before LF": lambda n: b"a:b\n" + b"\r" * n,
    "NUL": lambda n: mail("", b"\0" * n),
    "words": header("Subject", "=?utf-8?q?x?= "),
    "words in two charsets": header("Subject", "=?utf-8?q?x?= =?koi8-r?q?x?= "),
    "words that never end": header("Subject", "=?utf-8?q?x "),
    "words that only begin": header("Subject", "=?"),
    "addresses": header("To", "a@b.test, "),
    "names without an address": header("To", "x@, "),
    "comments": header("To", "("),
    "quotes": header("To", '"\\"'),
    "brackets": header("To", "<a@"),
    "groups": header("To", "a: ; "),
    "identifiers": header("References", "<a@b"),
    "numbers for a date": header("Date", "1 "),
    "parameters": header("Content-Type", 'text/plain; a="'),
    "continued parameters": header("Content-Type", "text/plain; a*1*=%41 "),
    "tags": html("<p>x<br>"),
    "tags that never end": html("<a b='"),
    "comments that never end": html("<!--"),
    "quotations": html("<blockquote>x"),
    "styles": html("<style></styl"),
    "entities": html("&#9"),
    "preformatted": lambda n: mail("Content-Type: text/html\r\n", "<pre>" + "\n" * n),
    "flowed": lambda n: mail("Content-Type: text/plain; format=flowed\r\n", "> x \n>> y \n" * n),
    "base64": encoded("base64", b"QUJD=!"),
    "quoted-printable": encoded("quoted-printable", b"= =\n"),
    "uuencode": encoded("x-uuencode", b"begin 644 x\n#0V%T\n"),
}  # fmt: skip


def steps(raw: bytes) -> int:
    """How many lines of Python are run to read a mail."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read_mail(raw)
    finally:
        sys.settrace(before)
    return count


def check(raw: bytes) -> ArrivedMail:
    """Read a mail, and all that can be asked of it."""
    arrived = read_mail(raw)
    assert "can't be read" not in (arrived.error or "")
    assert arrived.is_readable or arrived.error
    for text in (arrived.text, arrived.html):
        assert text is None or ("\0" not in text and "\r" not in text and len(text.encode()) <= MIB)
    for shown in (arrived.from_, arrived.subject, *arrived.to, *(value for _, value in arrived.headers)):
        assert shown is None or (shown.encode() is not None and not set(shown) & set("\0\r\n"))
    for attachment in islice(arrived.attachments, 3):
        assert len(attachment_content(raw, attachment.index) or b"") == attachment.size
        assert "/" not in attachment.filename
    return arrived


@pytest.mark.parametrize("name", HOSTILE)
def test_twice_the_mail_is_at_most_twice_the_work(name: str) -> None:
    """Counted in steps, of which each limit that is reached saves the rest."""
    once, twice = steps(HOSTILE[name](300)), steps(HOSTILE[name](600))

    assert twice <= 2.1 * once + 50


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_of_megabytes_is_read(name: str) -> None:
    """What takes the square of its length in a regular expression would not end here."""
    pieces = HOSTILE[name]

    check(pieces(2 * MIB // (len(pieces(2)) - len(pieces(1)))))


@pytest.mark.parametrize("name", ["fields", "delimiters of nothing", "tags", "preformatted", "uuencode", "addresses"])
def test_memory_is_bounded(name: str) -> None:
    """Beside the mail itself, not more than some dozen times the largest text that is kept."""
    raw = HOSTILE[name](200_000)
    tracemalloc.start()
    try:
        read_mail(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 64 * MIB


def test_ten_thousand_levels() -> None:
    """What is nested too deeply is kept as it is, as an attachment."""
    arrived = check(nested(10_000))

    assert arrived.error == "The mail has multiparts nested deeper than 50; what is missing here is in its raw form."
    assert [a.content_type for a in arrived.attachments] == ["multipart/mixed"]


def test_fifty_levels_are_read() -> None:
    """The limit itself is no fault."""
    arrived = check(nested(50))

    assert (arrived.text, arrived.error) == ("innermost", None)


def test_a_hundred_thousand_parts() -> None:
    """The first thousand are read."""
    arrived = check(mixed(b"--b\r\nContent-Type: a/b\r\n\r\nx\r\n" * 100_000))

    assert arrived.error == "The mail has more than 1,000 parts; what is missing here is in its raw form."
    assert len(arrived.attachments) == 1000


def test_a_header_of_ten_mebibytes() -> None:
    """What is within the limit is read, and the body."""
    arrived = check(mail("Subject: s\r\n" + f"X-Long: {'x' * MIB}\r\n" * 10 + "X-Last: l\r\n"))

    assert arrived.error == "The mail has a header over 256 KiB; what is missing here is in its raw form."
    assert (arrived.subject, arrived.text) == ("s", "Hello\n")
    assert "X-Last" not in dict(arrived.headers)


@pytest.mark.parametrize(("content_type", "kind"), [("text/plain", "text"), ("text/html", "HTML")])
def test_a_text_over_a_mebibyte_is_cut_between_characters(content_type: str, kind: str) -> None:
    """In the charset of the mail, and in UTF-8, in which it is longer."""
    for charset, char in [("utf-8", "€"), ("iso-8859-1", "ü"), ("utf-16-le", "ü"), ("gb18030", "你")]:
        body = ("x" + char * MIB).encode(charset)
        arrived = check(mail(f"Content-Type: {content_type}; charset={charset}\r\n", body))

        assert f"has over 1 MiB of {kind}" in (arrived.error or "")
        assert set(arrived.text or "") == {"x", char}


def test_many_texts_are_cut_together() -> None:
    """The limit is that of the mail."""
    arrived = check((FROM + multipart("mixed", *[part("text/plain", "x" * 100_000)] * 20)).encode())

    assert len(arrived.text or "") <= MIB
    assert "has over 1 MiB of text" in (arrived.error or "")


def test_more_addresses_than_anybody_reads() -> None:
    """A thousand of a field are shown."""
    arrived = check(mail(f"To: {'a@b.test, ' * 2000}\r\n"))

    assert len(arrived.to) == 1000
    assert "more than 1,000 addresses in To" in (arrived.error or "")


SEEDS = [
    mail('Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nTo: team: a@b.test, "B, C" <b@c.test>;\r\nDate: 14 Nov 2023 22:13 GMT\r\n'),
    mail("Content-Type: text/plain; charset=gb2312; format=flowed\r\nContent-Transfer-Encoding: base64\r\n", "xOO6ww=="),
    (FROM + multipart("mixed", multipart("alternative", part("text/plain", "a"), part("text/html", "<p>b<blockquote>c"), boundary="a"), part("a/b; name*0*=utf-8''%C3; name*1*=%BC", "begin 644 a\n#0V%T\n", "Content-Transfer-Encoding: x-uuencode"))).encode(),
]  # fmt: skip


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_read(raw: bytes) -> None:
    """As a whole mail, and as each part of one."""
    check(raw)
    check(b"Subject: " + raw)
    check(mail("Content-Type: text/html\r\n", raw))
    check(mixed(b"--b\r\n" + raw))


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False))
def test_a_damaged_mail_can_be_read(raw: bytes, chance: random.Random) -> None:
    """Close to what is well formed, where most branches are."""
    check(mutated(raw, chance))


def test_lines_that_look_like_boundaries_are_looked_at_up_to_a_limit() -> None:
    """25 MiB of them would take seconds, in which the mails behind wait."""
    raw = b"From: a@b.test\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n" + b"--y\n" * 600_000

    assert "too many lines that look like boundaries" in (check(raw).error or "")
