"""What is read of the body and the attachments of a mail that arrived."""

import base64

import pytest

from mailsvc.mime.arrived import attachment_content, read_mail
from tests.support.arrived import FROM, mail, multipart, part, read


@pytest.mark.parametrize(
    ("content_type", "octets", "text"),
    [
        ("", "Grüße".encode(), "Grüße"),
        ("text/plain", b"Andr\xe9", "André"),
        ("text/plain; charset=us-ascii", "Grüße".encode(), "Grüße"),
        ('text/plain; charset="ISO-8859-1"', b"\x93Andr\xe9\x94", "“André”"),
        ("text/plain; charset=gb2312", "你好€".encode("gb18030"), "你好€"),
        ("text/plain; charset=ks_c_5601-1987", "똠방각하".encode("cp949"), "똠방각하"),
        ("text/plain; charset=Windows-1257", "ąčę".encode("cp1257"), "ąčę"),
        ("text/plain; charset=cp-866", "Привет".encode("cp866"), "Привет"),
        ("text/plain; charset=iso-2022-jp", "こんにちは".encode(), "こんにちは"),
        ("text/plain; charset=utf-8", b"Andr\xe9", "André"),
        ("text/plain; charset=utf-8", b"\xef\xbb\xbfmarked", "marked"),
        ("text/plain; charset=utf-7", b"+ADw-b+AD4-", "+ADw-b+AD4-"),
        ("text/plain; charset=idna", b"xn--a", "xn--a"),
        ("text", b"old", "old"),
        ("nonsense", b"taken for text", "taken for text"),
        ("multipart/mixed", b"no boundary", "no boundary"),
        ("multipart/mixed; boundary=b", b"no delimiter", "no delimiter"),
    ],
)
def test_a_text_is_decoded_by_its_charset(content_type: str, octets: bytes, text: str) -> None:
    """Under the names that mail programs use, as the superset that they mean; UTF-7 is never decoded."""
    assert read_mail(mail(f"Content-Type: {content_type}\r\n" if content_type else "", octets)).text == text


def test_an_unknown_charset_is_said() -> None:
    """Only where something can't be read: some bounces name UTF-7 and are plain ASCII."""
    field = "Content-Type: text/plain; charset=x-klingon\r\n"

    assert "an unknown charset (x-klingon)" in (read_mail(mail(field, b"Andr\xe9")).error or "")
    assert read_mail(mail(field, b"plain")).error is None


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("quoted-printable", "Andr=C3=A9 =\r\net moi=20\r\n", "André et moi \n"),
        ("quoted-printable", "soft =  \r\nbreak", "soft break"),
        ("Quoted-Printable", "= =4 =ZZ 1=1", "= =4 =ZZ 1=1"),
        ("base64", "SGVs\r\nbG8=", "Hello"),
        ("BASE64", "S G!V\0sbG8", "Hello"),
        ("base64", "SGVsbG8=\r\n-- \r\nA list footer", "Hello"),
        ("base64", "SGVsbG8h?", "Hello!"),
        ("base64", "A", ""),
        ("x-uuencode", "begin 644 a.txt\r\n%2&5L;&\\ \r\n`\r\nend\r\nmore", "Hello"),
        ("x-uuencode", "begin 644 a.txt\n\n%2&5L;&\\~~~~\n", "Hello"),
        ("8bit", "as it is", "as it is"),
        ("7bit (sure)", "as it is", "as it is"),
        ("x-unheard-of", "as it is", "as it is"),
    ],
)
def test_a_damaged_transfer_encoding_gives_what_is_left(encoding: str, body: str, text: str) -> None:
    """RFC 2045 section 6, and what relays and list programs do to it."""
    assert read_mail(mail(f"Content-Transfer-Encoding: {encoding}\r\n", body)).text == text


@pytest.mark.parametrize(
    ("del_sp", "body", "text"),
    [
        ("no", "One paragraph \r\nof two lines.\r\n\r\nNext.", "One paragraph of two lines.\n\nNext."),
        ("yes", "Zusammen \r\ngesetzt", "Zusammengesetzt"),
        ("no", "> Quoted \r\n> on.\r\n>> Deeper \r\n> Up.", "> Quoted on.\n>> Deeper \n> Up."),
        ("no", " >stuffed\r\n  indented", ">stuffed\n indented"),
        ("no", "Bye \r\n-- \r\nAnna", "Bye \n-- \nAnna"),
    ],
)
def test_a_flowed_text_is_unwrapped(del_sp: str, body: str, text: str) -> None:
    """RFC 3676: as it was typed, quotations and signature apart."""
    assert read_mail(mail(f"Content-Type: text/plain; format=flowed; delsp={del_sp}\r\n", body)).text == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello<p>World", "Hello\n\nWorld"),
        ("<html><head><title>x</title><style>p{}</style></head><body>a<script>x</script> b", "a b"),
        ("<div>a</div><div><br></div><div>b<br>c</div>", "a\n\nb\nc"),
        ("a  \n b&nbsp;&amp;&#8364;&#0;", "a b &€\ufffd"),
        (
            "Hi<blockquote type=cite><p>old</p><blockquote>older</blockquote></blockquote>Bye",
            "Hi\n\n> old\n>\n> > older\n\nBye",
        ),
        ("<ul><li>a<li><p>b</p></ul>", "- a\n- b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>a\n  b\n</pre>", "a\n  b"),
        ("a<hr>b", f"a\n{'_' * 32}\nb"),
        ("1 < 2 <!-- no --> <!DOCTYPE x><?php x?></>3", "1 < 2 3"),
        ("<a title='>' href=\"x>y\">link</a>", "link"),
        ("a<b title='never ended>b", "a"),
        ("a<!-- never ended", "a"),
        ("a<style>never ended", "a"),
        (f"a &#{'9' * 5000}; b", f"a &#{'9' * 5000}; b"),
    ],
)
def test_a_mail_in_html_only_has_a_text(html: str, text: str) -> None:
    """Roughly as a browser shows it; broken HTML as browsers break it off."""
    arrived = read_mail(mail("Content-Type: text/html\r\n", html))

    assert (arrived.text, arrived.html) == (text, html)


def test_html_may_declare_its_own_charset() -> None:
    """Where the field does not."""
    html = '<meta charset="koi8-r">Привет'

    assert read_mail(mail("Content-Type: text/html\r\n", html.encode("koi8-r"))).html == html


PLAIN, HTML = part("text/plain", "plain"), part("text/html", "<b>html</b>")
PDF = part(
    "application/pdf",
    "JVBERg==",
    "Content-Transfer-Encoding: base64",
    'Content-Disposition: attachment; filename="a.pdf"',
)
IMAGE = part("image/png", "png", "Content-ID: <logo@app>", "Content-Disposition: inline")


@pytest.mark.parametrize(
    ("entity", "text", "html", "attachments"),
    [
        (multipart("alternative", PLAIN, HTML), "plain", "<b>html</b>", []),
        (multipart("alternative", part("text/plain", " "), HTML), "html", "<b>html</b>", []),
        (multipart("mixed", PLAIN, PDF), "plain", None, ["a.pdf"]),
        (multipart("mixed", PLAIN, PDF, part("text/plain", "more")), "plain\nmore", None, ["a.pdf"]),
        (multipart("mixed", HTML, part("text/plain", "a > b")), "html\na > b", "<b>html</b>\n<pre>a &gt; b</pre>", []),
        (multipart("mixed", multipart("alternative", PLAIN, multipart("related", HTML, IMAGE, boundary="r"), boundary="a"), PDF), "plain", "<b>html</b>", ["attachment-0.png", "a.pdf"]),
        (multipart("related", IMAGE, part("text/html", "root", "Content-ID: <r@x>")).replace("related;", 'related; start="<r@x>";'), "root", "root", ["attachment-0.png"]),
        (multipart("signed", PLAIN, part("application/pkcs7-signature", "x")), "plain", None, ["attachment-0.p7s"]),
        (multipart("encrypted", part("application/pgp-encrypted", "Version: 1"), part("application/octet-stream", "x")), None, None, ["attachment-0.bin", "attachment-1.bin"]),
        (part("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "x"), None, None, ["smime.p7m"]),
        (multipart("report", PLAIN, part("message/delivery-status", "Action: failed"), part("message/rfc822", FROM)), "plain", None, ["attachment-0.txt", "attachment-1.eml"]),
        (multipart("alternative", PLAIN, part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR")), "plain", None, ["attachment-0.ics"]),
        (multipart("mixed", PLAIN, part("application/ms-tnef; name=winmail.dat", "x")), "plain", None, ["winmail.dat"]),
        (multipart("mixed", PLAIN, part("text/plain; name=notes.txt", "notes")), "plain", None, ["notes.txt"]),
        (multipart("mixed", PLAIN, part("text/plain", "notes", "Content-Disposition: attachment")), "plain", None, ["attachment-0.txt"]),
        (multipart("digest", "\r\n" + FROM), None, None, ["attachment-0.eml"]),
        (multipart("mixed", "\r\nno header at all"), "no header at all", None, []),
        (multipart("mixed", "not even an empty line"), "not even an empty line", None, []),
        (part("text/plain; name=body.txt", "a named body"), "a named body", None, []),
        (part("audio/ogg", "x"), None, None, ["attachment-0.bin"]),
    ],
)  # fmt: skip
def test_the_body_and_the_attachments(entity: str, text: str | None, html: str | None, attachments: list[str]) -> None:
    """Every part is either part of the body or an attachment; nothing disappears."""
    arrived = read(entity)

    assert (arrived.text, arrived.html, [a.filename for a in arrived.attachments]) == (text, html, attachments)
    assert arrived.error is None


def test_an_attachment_is_described_and_fetched() -> None:
    """The size is that of the content."""
    raw = (FROM + multipart("mixed", PLAIN, IMAGE, PDF)).encode()
    image, pdf = read_mail(raw).attachments

    assert (image.content_id, image.disposition, image.size) == ("logo@app", "inline", 3)
    assert (pdf.index, pdf.content_type, pdf.size, pdf.disposition) == (1, "application/pdf", 4, "attachment")
    assert [attachment_content(raw, n) for n in (0, 1, 2, -1)] == [b"png", b"%PDF", None, None]


def test_a_mail_within_a_mail_is_an_attachment_that_can_be_read() -> None:
    """Exchange encodes it in base64, which RFC 2046 forbids."""
    inner = base64.b64encode(mail("Subject: inner\r\n")).decode()
    raw = (FROM + multipart("mixed", part("message/rfc822", inner, "Content-Transfer-Encoding: base64"))).encode()

    assert read_mail(attachment_content(raw, 0) or b"").subject == "inner"


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        ('filename="a b.pdf"', "a b.pdf"),
        ("filename=a b.pdf", "a b.pdf"),
        (r'filename="a\"b.pdf"', "a_b.pdf"),
        ("filename*=utf-8''Gr%C3%BC%C3%9Fe.txt", "Grüße.txt"),
        ("filename*0*=iso-8859-1'fr'Andr%E9; filename*1=.txt", "André.txt"),
        ("filename*1=b.txt; filename*0=a", "ab.txt"),
        ('filename="=?utf-8?q?Gr=C3=BC=C3=9Fe.txt?="', "Grüße.txt"),
        ('filename="Grüße.txt"', "Grüße.txt"),
        ('filename="../../etc/passwd"', "passwd"),
        (r'filename="C:\\temp\\a.txt"', "a.txt"),
        ("filename*=utf-8''a%0D%0A%00b.txt", "a_b.txt"),
        ("filename*=utf-8''invoice%E2%80%AEfdp.exe", "invoice_fdp.exe"),
        ('filename="..."', "attachment-0.bin"),
        ("", "attachment-0.bin"),
        (f'filename="{"a" * 300}.pdf"', "a" * 196 + ".pdf"),
        ("filename*x=1; filename**=2; =3; filename", "attachment-0.bin"),
    ],
)
def test_a_filename_is_safe_for_a_download(parameters: str, filename: str) -> None:
    """RFC 2183 and RFC 2231, without folders, line breaks and characters that disguise an extension."""
    (attachment,) = read(part("a/b", "x", f"Content-Disposition: attachment; {parameters}")).attachments

    assert attachment.filename == filename


def test_boundaries_that_begin_alike_are_told_apart() -> None:
    """A delimiter is a whole line (RFC 2046 section 5.1.1)."""
    inner = multipart("mixed", PLAIN, part("text/plain", "--b\0c\r\n--bbb\r\n-- bb"), boundary="bb")

    assert read(multipart("mixed", inner, part("text/plain", "last"))).text == "plain\n--b\ufffdc\n--bbb\n-- bb\nlast"


def test_a_delimiter_of_an_outer_multipart_ends_the_inner_ones() -> None:
    """Whatever is missing (RFC 2046 section 5.1.2)."""
    unterminated = multipart("mixed", PLAIN, boundary="inner").replace("--inner--\r\n", "")

    assert (
        read(multipart("mixed", unterminated, part("text/plain", "last")).replace("--b--\r\n", "")).text
        == "plain\nlast\n"
    )


def test_preamble_and_epilogue_are_not_shown() -> None:
    """They are for readers without MIME."""
    entity = multipart("mixed", PLAIN).replace("\r\n\r\n--b", "\r\n\r\nThis is MIME.\r\n--b  ", 1) + "epilogue"

    assert read(entity).text == "plain"
