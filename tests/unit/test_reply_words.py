"""The new words of replies, as mail programs write them in many languages."""

import pytest

from mailsvc.mime.arrived import ArrivedMail
from mailsvc.understand.replies import SplitReply, split_reply
from tests.unit.reply_samples import ATTRIBUTIONS, CLOSINGS, FOOTERS, FORWARDS, GERMAN_DISCLAIMER, HEADERS, rows

NEW = "Yes, Tuesday suits me.\n\nI will bring the papers."
QUOTED = "Could we meet on Tuesday?\n\nAnna"


def split(text: str, **fields: str) -> SplitReply:
    return split_reply(
        ArrivedMail(text=text, **{"from_": "Bo Holm <bo@example.test>", "subject": "Re: A question", **fields})
    )


def behind_marks(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


@pytest.mark.parametrize(("name", "lines"), rows(ATTRIBUTIONS), ids=[name for name, _ in rows(ATTRIBUTIONS)])
class TestAttribution:
    def test_above_marked_lines_is_quoted(self, name, lines):
        reply = split(f"{NEW}\n\n{lines}\n{behind_marks(QUOTED)}\n")

        assert reply.text == NEW
        assert reply.quoted == f"{lines}\n{behind_marks(QUOTED)}"

    def test_above_unmarked_lines_is_quoted_with_all_the_rest(self, name, lines):
        reply = split(f"{NEW}\n\n{lines}\n\n{QUOTED}\n")

        assert reply.text == NEW
        assert reply.quoted == f"{lines}\n\n{QUOTED}"

    def test_directly_below_the_new_words_is_quoted(self, name, lines):
        assert split(f"{NEW}\n{lines}\n\n{QUOTED}\n").text == NEW

    def test_at_the_top_leaves_the_words_below_the_quotation(self, name, lines):
        assert split(f"{lines}\n{behind_marks(QUOTED)}\n\n{NEW}\n").text == NEW


@pytest.mark.parametrize(("name", "lines"), rows(HEADERS), ids=[name for name, _ in rows(HEADERS)])
def test_a_repeated_header_begins_the_quotation(name, lines):
    reply = split(f"{NEW}\n\n{lines}\n\n{QUOTED}\n")

    assert reply.text == NEW
    assert reply.quoted == f"{lines}\n\n{QUOTED}"
    assert not reply.forwarded


@pytest.mark.parametrize(("name", "line"), rows(FORWARDS), ids=[name for name, _ in rows(FORWARDS)])
def test_a_mail_that_is_passed_on_is_quoted(name, line):
    reply = split(f"{NEW}\n\n{line}\nFrom: Anna\n\n{QUOTED}\n")

    assert reply.text == NEW
    assert reply.quoted == f"{line}\nFrom: Anna\n\n{QUOTED}"
    assert reply.forwarded


@pytest.mark.parametrize(
    "subject",
    ["Fwd: A", "FW: A", "WG: A", "TR: A", "RV: A", "I: A", "VS: A", "Enc: A", "PD: A", "转发: A", "[team] Fwd: A"],
)
def test_a_repeated_header_under_a_subject_of_forwards_is_passed_on(subject):
    header = dict(rows(HEADERS))["English"]

    assert split(f"{NEW}\n\n{header}\n\n{QUOTED}", subject=subject).forwarded


@pytest.mark.parametrize("line", FOOTERS.strip().splitlines())
@pytest.mark.parametrize(
    "below", ["", "\n\nOn 5/4/21 10:15 AM, Anna wrote:\n> Tuesday?"], ids=["alone", "above a quotation"]
)
def test_what_a_program_adds_is_signature(line, below):
    reply = split(f"{NEW}\n\n{line}{below}\n")

    assert reply.text == NEW
    assert reply.signature == line


@pytest.mark.parametrize("line", CLOSINGS.strip().splitlines())
def test_a_closing_phrase_with_a_contact_block_is_signature(line):
    block = f"{line}\n\nBo Holm\nHolm Ltd\nTel: +44 20 7946 0000\nwww.example.test"

    reply = split(f"{NEW}\n\n{block}\n")

    assert reply.text == NEW
    assert reply.signature == block


@pytest.mark.parametrize("line", CLOSINGS.strip().splitlines())
def test_a_closing_phrase_with_a_name_stays(line):
    assert split(f"{NEW}\n\n{line}\nBo\n").text == f"{NEW}\n\n{line}\nBo"


PROSE = [
    "On Monday we wrote:\nnothing at all.",
    "As agreed on the phone:\n- one\n- two",
    "From: Berlin\nTo: Hamburg\nDate: 3.5.2021",
    "On the other hand: no.",
    "Sent from my desk, which is easier than my mobile phone.",
    "Dates:\n2021-05-04 10:15\n2021-05-05 10:15",
    "Thanks for the quick answer.",
    "Best of all: it works.\nBest would be Monday.",
    "The order:\n--------\ntwo chairs\n--------\nPlease send it.",
    "I want to unsubscribe from the mailing list, how?",
    "Is this confidential?",
    "See https://example.test/a?b=c",
    "Call me: +44 20 7946 0000",
    "```\n# code\n---\n```\nDone.",
    "Subject: to change\nI agree.",
]


@pytest.mark.parametrize("text", PROSE)
def test_what_only_looks_like_a_quotation_stays(text):
    reply = split(text)

    assert (reply.text, reply.quoted, reply.signature) == (text, None, None)


def test_answers_between_quotations_are_joined_with_a_blank_line():
    reply = split("On 5/4/21 10:15 AM, Anna wrote:\n> First?\nYes.\n> Second?\n> Third?\n\nNo.\nNever.\n\n> Fourth?\n")

    assert reply.text == "Yes.\n\nNo.\nNever."


def test_a_mail_of_quotation_only_has_no_new_words():
    reply = split("On 5/4/21 10:15 AM, Anna wrote:\n> First?\n")

    assert (reply.text, reply.quoted) == ("", "On 5/4/21 10:15 AM, Anna wrote:\n> First?")


def test_the_signature_behind_its_mark_is_apart():
    reply = split(f"{NEW}\n\n-- \nBo Holm\nHolm Ltd\n\nOn 5/4/21 10:15 AM, Anna wrote:\n> First?\n")

    assert (reply.text, reply.signature) == (NEW, "--\nBo Holm\nHolm Ltd")


def test_a_disclaimer_is_signature():
    disclaimer = "This e-mail and any attachments are confidential and intended solely for the addressee. If you are not, delete it."

    reply = split(f"{NEW}\n\n{disclaimer}\n")

    assert (reply.text, reply.signature) == (NEW, disclaimer)


def test_a_disclaimer_below_the_quotation_is_no_new_word():
    assert split(f"{NEW}\n\nOn 5/4/21 10:15 AM, Anna wrote:\n> First?\n\n{GERMAN_DISCLAIMER}\n").text == NEW


def test_the_footer_of_a_list_is_signature():
    footer = "_______________________________________________\nriders mailing list\nhttps://lists.example.test/mailman/listinfo/riders"

    reply = split(f"{NEW}\n\n{footer}\n")

    assert (reply.text, reply.signature) == (NEW, footer)


def test_the_senders_name_begins_a_contact_block():
    reply = split(f"{NEW}\n\nBo Holm\nHead of Riding\nHolm Ltd | +44 20 7946 0000\nbo@example.test\n")

    assert reply.text == NEW


def test_words_before_an_attribution_in_its_line_stay():
    assert split("Fine with me On Wed, Apr 4, 2012 at 3:59 PM, bob@example.test wrote:\n> Hi").text == "Fine with me"


def test_a_line_of_a_mailbox_file_is_no_quotation():
    assert split("I come.\n>From Monday on I am there.").text == "I come.\n>From Monday on I am there."


@pytest.mark.parametrize(
    "line",
    [
        "From: Anna Berg Sent: Tuesday, May 4, 2021 10:15 AM To: Bo Holm Subject: A question Could we meet?",
        "Von: Anna Berg Gesendet: Dienstag, 4. Mai 2021 10:15 An: Bo Holm Betreff: Frage Treffen wir uns?",
        "On Tue, May 4, 2021 at 10:15 AM Anna Berg <anna@example.test> wrote: Could we meet on Tuesday? Anna",
        "Am Di., 4. Mai 2021 um 10:15 Uhr schrieb Anna Berg <anna@example.test>: Treffen wir uns?",
    ],
)
def test_a_quotation_that_was_made_one_line_is_quoted(line):
    reply = split(f"{NEW}\n\n{line}\n")

    assert (reply.text, reply.quoted) == (NEW, line)


@pytest.mark.parametrize(
    "line",
    [
        "Anna Berg wrote:",
        "Quoting Anna Berg <anna@example.test>:",
        "Zitat von Anna Berg <anna@example.test>:",
        "Anna schreef:",
    ],
)
def test_a_name_alone_is_an_attribution_above_marked_lines(line):
    assert split(f"{NEW}\n\n{line}\n> Tuesday?\n").quoted == f"{line}\n> Tuesday?"


@pytest.mark.parametrize("rule", ["—", "___", "*****", "----------"])
def test_a_line_above_a_contact_block_begins_a_signature(rule):
    reply = split(f"{NEW}\n\n{rule}\nBo Holm\nHead of Riding\nbo@example.test\n")

    assert (reply.text, reply.signature) == (NEW, f"{rule}\nBo Holm\nHead of Riding\nbo@example.test")
