"""Replies that have HTML only: what is quoted is known by the names that mail programs give to their elements."""

import pytest

from mailsvc.mime.arrived import read_mail
from mailsvc.understand.replies import SplitReply, split_reply

ATTRIBUTION = "On Tue, May 4, 2021 at 10:15 AM Anna Berg &lt;anna@example.test&gt; wrote:"
OUTLOOK = (
    "<b>From:</b> Anna<br><b>Sent:</b> Tuesday, May 4, 2021 10:15 AM<br><b>To:</b> Bo<br><b>Subject:</b> A question"
)
# What follows "<div>Yes, <b>Tuesday</b>.</div>"; "Old words." are quoted.
QUOTATIONS = {
    "Gmail": f'<div class="gmail_quote"><div dir="ltr" class="gmail_attr">{ATTRIBUTION}<br></div><blockquote class="gmail_quote" style="margin:0">Old words.</blockquote></div>',
    "Apple Mail": f'<div><br><blockquote type="cite"><div>{ATTRIBUTION}</div><br><div>Old words.</div></blockquote></div>',
    "Thunderbird": f'<div class="moz-cite-prefix">{ATTRIBUTION}<br></div><blockquote type="cite" cite="mid:a@example.test">Old words.</blockquote>',
    "Outlook on the web": f'<div id="appendonsend"></div><hr style="width:98%"><div id="divRplyFwdMsg">{OUTLOOK}</div><div>Old words.</div>',
    "Outlook": f'<div class="WordSection1"><div style="border:none;border-top:solid #E1E1E1 1.0pt"><p class="MsoNormal">{OUTLOOK}</p></div><p>Old words.</p></div>',
    "Outlook, mobile": f'<div id="mail-editor-reference-message-container"><div>{OUTLOOK}</div><div>Old words.</div></div>',
    "Outlook for Mac": f'<span id="OLK_SRC_BODY_SECTION">{OUTLOOK}<div>Old words.</div></span>',
    "Yahoo": f'<div id="ydp1yahoo_quoted_1" class="yahoo_quoted"><div>{ATTRIBUTION}</div><div>Old words.</div></div>',
    "Proton": f'<div class="protonmail_quote">{ATTRIBUTION}<br><blockquote type="cite">Old words.</blockquote></div>',
    "GMX": '<div name="quote" style="margin:10px"><div>Gesendet: gestern</div><div>Old words.</div></div>',
    "Zimbra": f'<hr id="zwchr" data-marker="__DIVIDER__"><div>{OUTLOOK}</div><div>Old words.</div>',
    "Roundcube": f'<p id="reply-intro">{ATTRIBUTION}</p><blockquote type="cite">Old words.</blockquote>',
    "unnamed, after an attribution": f"<p>{ATTRIBUTION}</p><blockquote>Old words.</blockquote>",
    "unnamed, around an attribution": f"<blockquote><div>{ATTRIBUTION}</div><div>Old words.</div></blockquote>",
    "named again by Outlook": f'<div class="x_gmail_quote"><div class="x_gmail_attr">{ATTRIBUTION}</div><blockquote class="x_gmail_quote">Old words.</blockquote></div>',
}
SIGNATURES = {
    "Gmail": '<div class="gmail_signature" data-smartmail="gmail_signature">Bo Holm<br>Head of Riding</div>',
    "Thunderbird": '<pre class="moz-signature">-- \nBo Holm\nHead of Riding</pre>',
    "Outlook on the web": '<div id="Signature"><p>Bo Holm</p><p>Head of Riding</p></div>',
    "Outlook, mobile": '<div id="ms-outlook-mobile-signature">Bo Holm<br>Head of Riding</div>',
    "Apple Mail": '<div id="AppleMailSignature">Bo Holm<div>Head of Riding</div></div>',
}


def split(html: str, subject: str = "Re: A question") -> SplitReply:
    head = f"From: Bo <bo@example.test>\nSubject: {subject}\nContent-Type: text/html; charset=utf-8\n\n"
    return split_reply(read_mail(f"{head}<html><body>{html}</body></html>".encode()))


@pytest.mark.parametrize("quotation", QUOTATIONS.values(), ids=QUOTATIONS)
def test_what_a_mail_program_quotes_is_quoted(quotation):
    reply = split(f"<div>Yes, <b>Tuesday</b>.</div>{quotation}")

    assert reply.text == "Yes, Tuesday."
    assert "Old words." in (reply.quoted or "")


@pytest.mark.parametrize(
    "name", ["Gmail", "Apple Mail", "Thunderbird", "Yahoo", "Proton", "GMX", "unnamed, after an attribution"]
)
def test_words_below_a_quotation_are_new(name):
    reply = split(f"{QUOTATIONS[name]}<div>Yes, <b>Tuesday</b>.</div>")

    assert reply.text == "Yes, Tuesday."
    assert "Old words." in (reply.quoted or "")


def test_answers_between_the_quotations_of_gmail_are_new():
    quote = '<blockquote class="gmail_quote">Old words.</blockquote>'

    reply = split(
        f'<div class="gmail_quote"><div class="gmail_attr">{ATTRIBUTION}</div>{quote}<div>One.</div>{quote}<div>Two.</div></div>'
    )

    assert reply.text == "One.\n\nTwo."


def test_an_indented_paragraph_is_no_quotation():
    assert split("<p>I propose:</p><blockquote>to meet.</blockquote>").text == "I propose:\n\nto meet."


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_what_a_mail_program_calls_signature_is_signature(signature):
    reply = split(f"<div>Yes, Tuesday.</div>{signature}{QUOTATIONS['Gmail']}")

    assert reply.text == "Yes, Tuesday."
    assert "Bo Holm\n" in (reply.signature or "")


def test_a_forward_of_gmail_has_no_block_quotation():
    passed_on = f'<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>{OUTLOOK}<br></div><div>Old words.</div></div>'

    reply = split(f"<div>Please look.</div>{passed_on}", subject="Fwd: A question")

    assert (reply.text, reply.forwarded) == ("Please look.", True)


def test_a_forward_of_outlook_is_known_by_its_subject():
    assert split(f"<div>Please look.</div>{QUOTATIONS['Outlook on the web']}", subject="FW: A question").forwarded


def test_a_mail_that_carries_another_one_under_such_a_subject_is_a_forward():
    raw = (
        "From: bo@example.test\nSubject: Fwd: A question\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/plain\n\nPlease look.\n--b\nContent-Type: message/rfc822\n\nSubject: A question\n\nOld words.\n--b--\n"
    )

    reply = split_reply(read_mail(raw.encode()))

    assert (reply.text, reply.forwarded) == ("Please look.", True)


LOADING = [
    "<script>alert(1)</script>",
    "<style>@import 'https://spy.example.test/a.css'</style>",
    "<link rel=stylesheet href=https://spy.example.test/a.css>",
    "<img src=https://spy.example.test/pixel.gif>",
    "<img src=//spy.example.test/pixel.gif>",
    "<img srcset='https://spy.example.test/pixel.gif 2x'>",
    "<p style='background:url(https://spy.example.test/a.gif)'>a</p>",
    "<p style='color:red;background-image:\\75rl(https://spy.example.test/a.gif)'>a</p>",
    "<p style='list-style-image:url(\"https://spy.example.test/a.gif\")'>a</p>",
    "<table background=https://spy.example.test/a.gif><td>a</table>",
    "<body background=https://spy.example.test/a.gif>",
    "<video src=https://spy.example.test/a.mp4 poster=https://spy.example.test/a.gif></video>",
    "<iframe src=https://spy.example.test></iframe>",
    "<object data=https://spy.example.test></object><embed src=https://spy.example.test>",
    "<svg><image href=https://spy.example.test/a.gif /></svg>",
    "<form action=https://spy.example.test><input name=a></form>",
    "<base href=https://spy.example.test>",
    "<meta http-equiv=refresh content='0;url=https://spy.example.test'>",
    "<img src=x onerror='fetch(\"https://spy.example.test\")'>",
    "<a href='javascript:fetch(\"https://spy.example.test\")'>a</a>",
    "<a href=' data:text/html,<img src=//spy.example.test>'>a</a>",
    "<a href='da\nta:text/html,<img src=//spy.example.test>'>a</a>",
    "<a href='&#1;data:text/html,<img src=//spy.example.test>'>a</a>",
    "<a href='\tcid:spy.example.test'>a</a>",
    "<a href=https://ok.example.test ping=https://spy.example.test>a</a>",
    "<input type=image src=https://spy.example.test/a.gif>",
]


@pytest.mark.parametrize("html", LOADING)
def test_nothing_in_the_shown_html_loads_or_sends_anything(html):
    shown = split(f"<p>Hello</p>{html}").html or ""

    assert "<p>Hello</p>" in shown
    assert "spy.example.test" not in shown
    assert "alert" not in shown


def test_images_of_the_mail_itself_links_and_looks_stay():
    html = '<p style="color:red">a<img src="cid:logo@example.test"><a href="https://example.test/">b</a></p>'

    assert html in (split(html).html or "")


def test_html_that_would_take_minutes_to_read_is_not_shown():
    assert split("<div>" * 100_000 + "Hello").html is None
