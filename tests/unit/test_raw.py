"""A finished message is completed and checked, and otherwise not touched."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsvc.domain.draft import Limits, Recipient
from mailsvc.domain.errors import Invalid, TooLarge
from mailsvc.mime.addresslist import mailboxes_of
from mailsvc.mime.raw import RawSubmission, prepare_raw
from tests.support.drafts import LIMITS, MESSAGE_ID, NOW, composed, read

WHOLE = (
    b"From: Shop <orders@app.test>\r\nTo: a@b.test\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"Message-ID: <own@app.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n"
)
MINIMAL = b"From: orders@app.test\r\nTo: a@b.test\r\n"


def submitted(
    raw: bytes, *, sender: str | None = None, to: tuple[str, ...] = (), limits: Limits = LIMITS
) -> RawSubmission:
    return prepare_raw(raw, sender=sender, recipients=list(to), limits=limits, now=NOW, token="01hf3x")


def fault(raw: bytes, *, sender: str | None = None, to: tuple[str, ...] = ()) -> tuple[str, str]:
    with pytest.raises(Invalid) as refused:
        submitted(raw, sender=sender, to=to)
    (error,) = refused.value.errors
    return error.field, error.detail


def test_a_complete_message_is_not_changed() -> None:
    """A signature over it stays valid."""
    submission = submitted(WHOLE)

    assert submission.content == WHOLE
    assert submission.message_id == "<own@app.test>"
    assert (submission.sender.addr, submission.header_from) == ("orders@app.test", "Shop <orders@app.test>")
    assert (submission.subject, submission.to) == ("Grüße", ("a@b.test",))
    assert not submission.eight_bit
    assert not submission.needs_smtputf8


def test_a_missing_date_and_message_id_are_added_at_the_top() -> None:
    """RFC 6409 section 8; below, not a byte changes."""
    submission = submitted(MINIMAL + b"\r\nHello\r\n")

    added = b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <01hf3x@app.test>\r\n"
    assert submission.content == added + MINIMAL + b"\r\nHello\r\n"
    assert submission.message_id == MESSAGE_ID


@pytest.mark.parametrize(
    ("sender", "domain"),
    [(None, "app.test"), ("Shop <shop@other.test>", "other.test"), ("x@münchen.example", "xn--mnchen-3ya.example")],
)
def test_a_message_id_is_made_of_the_senders_domain(sender: str | None, domain: str) -> None:
    """In its ASCII form, since it stands in a header of 7 bits."""
    submission = submitted(MINIMAL + b"\r\nHello\r\n", sender=sender)

    assert submission.message_id == f"<01hf3x@{domain}>"
    assert f"Message-ID: <01hf3x@{domain}>\r\n".encode("ascii") in submission.content


def test_blind_copies_and_a_return_path_are_removed() -> None:
    """With all their lines; their addresses still are recipients."""
    raw = WHOLE.replace(b"Date:", b"bCC: c@d.test,\r\n e@f.test\r\nReturn-Path: <x@y.test>\r\nDate:")
    submission = submitted(raw)

    assert submission.content == WHOLE
    assert [r.address for r in submission.recipients] == ["a@b.test", "c@d.test", "e@f.test"]
    assert submission.recipients[1] == Recipient("c@d.test", "bcc", False)


def test_the_given_envelope_overrides_the_header() -> None:
    """Its kinds are what the header shows of each recipient."""
    raw = WHOLE.replace(b"Date:", b"Cc: C D <c@D.test>\r\nBcc: z@z.test\r\nDate:")
    submission = submitted(raw, sender="bounces@app.test", to=("e@f.test", "c@d.test", "a@B.test", "a@b.test"))

    assert submission.sender.addr == "bounces@app.test"
    assert [(r.address, r.kind) for r in submission.recipients] == [
        ("e@f.test", "bcc"),
        ("c@d.test", "cc"),
        ("a@b.test", "to"),
    ]


NEW = b"Resent-From: x@y.test\r\nResent-To: z@y.test\r\nResent-Cc: w@y.test\r\nResent-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
OLD = b"Resent-From: old@y.test\r\nResent-To: older@y.test\r\nResent-Date: Mon, 13 Nov 2023 22:13:20 +0000\r\n"


@pytest.mark.parametrize(
    "before",
    [
        NEW,
        NEW + OLD,
        NEW + b"Received: from a by b; Mon, 13 Nov 2023 22:13:20 +0000\r\n" + OLD,
        b"X-Top: 1\r\n" + NEW.replace(b"Resent-Cc", b"X-Between: 1\r\nResent-Cc") + OLD,
        NEW.replace(b"Resent-From: x", b"Resent-Sender: x").replace(
            b"Resent-To", b"Resent-From: p@y.test, q@y.test\r\nResent-To"
        ),
    ],
)
def test_the_newest_resent_block_gives_the_envelope(before: bytes) -> None:
    """RFC 5322 section 3.6.6: who sends it on now, to whom they say; not its first author to its first recipients."""
    submission = submitted(before + WHOLE)

    assert submission.sender.addr == "x@y.test"
    assert [(r.address, r.kind) for r in submission.recipients] == [("z@y.test", "to"), ("w@y.test", "cc")]
    assert (submission.header_from, submission.to) == ("Shop <orders@app.test>", ("a@b.test",))
    assert submission.content == before + WHOLE


def test_a_resent_bcc_is_a_recipient_and_is_removed() -> None:
    submission = submitted(NEW + b"Resent-Bcc: b@y.test\r\n" + WHOLE)

    assert [r.address for r in submission.recipients] == ["z@y.test", "w@y.test", "b@y.test"]
    assert submission.content == NEW + WHOLE


@pytest.mark.parametrize(
    ("before", "field", "words"),
    [
        (NEW.replace(b"Resent-From: x@y.test\r\n", b""), "body", "Resent-From"),
        (NEW.replace(b"Resent-To: z@y.test\r\nResent-Cc: w@y.test\r\n", b""), "to", "Resent-To"),
        (NEW.replace(b"x@y.test", b"x@"), "body", "Resent-From"),
    ],
)
def test_an_incomplete_resent_block_is_rejected(before: bytes, field: str, words: str) -> None:
    """The old To and Cc must never be mailed in its place."""
    where, detail = fault(before + b"Received: from a by b\r\n" + OLD + WHOLE)

    assert (where, words in detail) == (field, True)


@pytest.mark.parametrize("name", [b"Resent-Cc", b"Resent-Bcc", b"Resent-Sender"])
def test_an_ambiguous_resent_field_is_rejected(name: bytes) -> None:
    """Where nothing stands between two blocks, whoever an older one named could be mailed again."""
    newest = NEW.replace(b"Resent-Cc: w@y.test\r\n", b"")
    between = name + b": victim@y.test\r\n"

    assert fault(newest + between + OLD + WHOLE) == (
        "body",
        f"{name.decode()}: may belong to either of two blocks of Resent fields; give the envelope by ?from= and ?to=",
    )
    assert submitted(newest + between + WHOLE, sender="s@y.test", to=("r@y.test",)).sender.addr == "s@y.test"


@pytest.mark.parametrize(
    "trace", [b"Received: from a by b; Mon, 13 Nov 2023 22:13:20 +0000\r\n", b"Return-Path: <x@y.test>\r\n"]
)
def test_a_trace_field_separates_two_resent_blocks(trace: bytes) -> None:
    """Then the older one's fields may be in any order."""
    submission = submitted(NEW + trace + b"Resent-Bcc: old@y.test\r\n" + OLD + WHOLE)

    assert [r.address for r in submission.recipients] == ["z@y.test", "w@y.test"]
    assert b"old@y.test" not in submission.content.replace(OLD, b"")


def test_the_given_envelope_overrides_a_resent_block() -> None:
    submission = submitted(NEW + WHOLE, sender="s@y.test", to=("r@y.test",))

    assert (submission.sender.addr, [r.address for r in submission.recipients]) == ("s@y.test", ["r@y.test"])


def test_a_recipient_is_matched_with_the_header_in_any_case() -> None:
    """One address in several letter cases is one."""
    submission = submitted(
        WHOLE.replace(b"To: a@b.test", b"To: Ann@B.test\r\nCc: Cy <CY@b.test>"), to=("ANN@b.test", "cy@b.test")
    )

    assert [r.kind for r in submission.recipients] == ["to", "cc"]


def test_white_space_before_the_colon_is_obsolete_but_a_field() -> None:
    """RFC 5322 section 4.5; a Bcc written so must not be told to everybody."""
    submission = submitted(b"From : orders@app.test\r\nTo\t: a@b.test\r\nBcc : c@b.test\r\nSubject: s\r\n\r\nHello\r\n")

    assert [r.address for r in submission.recipients] == ["a@b.test", "c@b.test"]
    assert b"c@b.test" not in submission.content
    assert b"From : orders@app.test\r\n" in submission.content


def test_a_message_with_several_authors_uses_its_sender() -> None:
    """RFC 5322 section 3.6.2."""
    raw = b"From: a@x.test, b@x.test\nSender: b@x.test\nTo: c@x.test\n\n"

    assert submitted(raw).sender.addr == "b@x.test"


def test_unix_line_endings_become_crlf() -> None:
    """LF alone is how such files are kept."""
    assert submitted(WHOLE.replace(b"\r\n", b"\n")).content == WHOLE


def test_a_message_without_a_body_is_complete() -> None:
    """The body may be empty, the line that separates it may not be missing."""
    assert submitted(MINIMAL).content.endswith(MINIMAL + b"\r\n")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "empty line"),
        (b"\r\n" + WHOLE, "empty line"),
        (b"From a@b.test Tue\r\n" + WHOLE, "mailbox separator"),
        (b"hello\r\n\r\n", "no field"),
        (b"X A: b\r\n" + WHOLE, "no field"),
        (b" X: b\r\n" + WHOLE, "white space"),
        (b"X: b\r\n \r\n" + WHOLE, "white space"),
        (b"From: c@d.test\r\n" + WHOLE, "more than one From"),
        (b"Subject: x\r\n" + WHOLE, "more than one Subject"),
        (b"Content-Type: a/b\r\ncontent-type: a/b\r\n" + WHOLE, "more than one Content-Type"),
        (b"To: a@b.test\r\n\r\n", "no From"),
        (b"From: nobody\r\nTo: a@b.test\r\n\r\n", "From: 'nobody' has no @"),
        (b"From: x:;\r\nTo: a@b.test\r\n\r\n", "names nobody"),
        (b"From: a@b.test\r\nTo: (x\r\n\r\n", "comment"),
        (WHOLE.replace(b"<own@app.test>", b"own"), "Message-ID"),
        (WHOLE + b"\n", "mixes"),
        (WHOLE + b"\r", "mixes"),
        (WHOLE + b"\n.\r\n", "mixes"),
        (WHOLE + b"\0", "NUL"),
        (WHOLE + b"x" * 999, "998"),
        (b"X: \xff\r\n" + WHOLE, "not UTF-8"),
        (b"X: " + b"x\r\n " * 70_000 + b"x\r\n" + WHOLE, "262144"),
    ],
)
def test_an_unsendable_message_is_rejected_with_the_reason(raw: bytes, said: str) -> None:
    """Nothing is repaired that a signature may cover, nothing sent that two servers read in two ways."""
    field, detail = fault(raw)

    assert field == "body"
    assert said in detail


def test_envelope_errors_name_the_parameter() -> None:
    """As in the JSON form."""
    assert fault(WHOLE, sender="")[0] == "from"
    assert fault(WHOLE, to=("a@b.test", "c"))[0] == "to.1"
    assert fault(WHOLE, to=("a@b.test",) * 1001)[0] == "to"
    assert fault(b"From: a@b.test\r\n\r\n")[0] == "to"


def test_lists_in_the_header_may_be_unreadable_where_the_envelope_is_given() -> None:
    """They are shown as they are."""
    submission = submitted(b"From: a@b.test\nTo: undisclosed recipients\n\n", to=("c@d.test",))

    assert submission.to == ("undisclosed recipients",)


def test_octets_beyond_ascii_are_kept_and_reported() -> None:
    """The relay must offer 8BITMIME for a body that is signed, SMTPUTF8 for the header."""
    signed = b"DKIM-Signature: v=1\r\n" + WHOLE + "ü\r\n".encode()
    body, header = submitted(signed), submitted("X: ü\r\n".encode() + WHOLE)

    assert (body.eight_bit, body.needs_smtputf8) == (True, False)
    assert (header.eight_bit, header.needs_smtputf8) == (False, True)
    assert header.recipients[0].needs_smtputf8
    assert body.content == signed


def test_displayed_fields_have_no_control_characters() -> None:
    """An encoded line break stays encoded on the wire, and is replaced where it is shown."""
    raw = WHOLE.replace(b"=C3=9F", b"=0ABcc: x")

    assert submitted(raw).subject == "Grü\ufffdBcc: xe"
    assert submitted(raw).content == raw


def test_a_header_too_slow_to_decode_is_shown_undecoded() -> None:
    """What begins thousands of encoded words and ends none would cost the square of its length."""
    raw = WHOLE.replace(b"Subject: ", b"Subject: " + b"=?a?b?\r\n " * 20_000)

    assert (submitted(raw).subject or "").startswith("=?a?b? =?a?b?")


def test_a_large_message_is_refused() -> None:
    """413, as for any other."""
    with pytest.raises(TooLarge):
        submitted(WHOLE, limits=Limits(max_message_bytes=100))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        ("undisclosed-recipients:;", []),
        ("a@b.test,, c@d.test,", ["a@b.test", "c@d.test"]),
        (
            '"Doe, J (x)" <a@b.test> (a (nested \\) one)), f: c@d.test, e@f.test; g@h.test',
            ["a@b.test", "c@d.test", "e@f.test", "g@h.test"],
        ),
        ("=?utf-8?q?a=40x=2C_=3Cb=40y=3E?= <c@d.test>", ["c@d.test"]),
        ('"=?utf-8?q?=22?=" <c@d.test>', ["c@d.test"]),
    ],
)
def test_addresses_are_read_out_of_any_list(value: str, found: list[str]) -> None:
    """Groups, comments and quotes; nothing that an encoded word holds becomes an address."""
    assert [m.addr for m in mailboxes_of(value)] == found


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_accepted_or_rejected_without_error(tail: bytes) -> None:
    """No other error comes out, and what is taken keeps its tail."""
    try:
        submission = submitted(WHOLE + tail)
    except Invalid:
        return

    head = WHOLE.partition(b"\r\n\r\n")[0]
    assert submission.content.startswith(WHOLE if tail.isascii() else head)
    assert submission.content.isascii()


@given(
    text=st.text(max_size=300),
    subject=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=60),
)
@settings(max_examples=100)
def test_a_composed_message_is_accepted_as_raw(text: str, subject: str) -> None:
    """Composer and reader agree, and the independent reader with both."""
    raw = composed(text=text.replace("\0", ""), subject=subject, html="h")
    submission = submitted(raw)

    assert submission.content == raw
    assert submission.subject == subject == read(raw)["Subject"]
