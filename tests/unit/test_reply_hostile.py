"""Texts that were made to be slow, or to break the splitting of replies."""

import importlib.util
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.understanding_replies import new_words
from mailsvc.mime.arrived import ArrivedMail, read_mail
from mailsvc.understand.replies import split_reply
from tests.unit.reply_samples import ATTRIBUTIONS, FOOTERS, FORWARDS, HEADERS, rows

SIZE = 1 << 20
PIECES = [
    ">\n", "> a\n", "On \n", "On Mon, 4 May 2021 wrote:\n", ":\n", "On ", ">", "\n", "From: a\n", "From: a\nTo: b\n\n", "--\n", "-", "-----\n",
    "> a\nb\n", "> a\n\nKind regards\nBo\n", "On 5/4/21 10:15 AM, A wrote:\n> a\nb\n", "x On 5/4/21 10:15 AM, A wrote:\n> a\n", "Sent from my iPhone\n",
    "confidential ", "a@b ", "<a@b\n", "----- Original Message\n", "- - - ", "<\n> wrote:\n", "1 ", "12:", "> a\nhttp://x\n", " \t", "(((", "a", "\u200b",
    "Kind regards, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n\n> x\n", "写道：\n",
]  # fmt: skip
TAGS = [
    "<blockquote>",
    "<div class=gmail_quote>",
    "<div class=gmail_attr>On 5/4/21 10:15 AM wrote:</div><blockquote>a</blockquote>b",
    "<br>",
    '<div class="',
    "&gt;<br>",
]
SAMPLES = [lines for table in (ATTRIBUTIONS, HEADERS, FORWARDS) for _, lines in rows(table)] + FOOTERS.splitlines()
REPLIES = Path(os.environ.get("MAILSVC_REPLIES", Path(__file__).parents[3] / "shared" / "replies"))


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", PIECES)
def test_a_long_text_is_split_in_passing_time(piece):
    reply = split_reply(ArrivedMail(text=piece * (SIZE // len(piece.encode())), from_="Bo <bo@example.test>"))

    assert reply.html is None


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", TAGS)
def test_a_long_html_is_split_in_passing_time(piece):
    raw = b"From: bo@example.test\nContent-Type: text/html\n\n" + piece.encode() * (SIZE // len(piece))

    assert split_reply(read_mail(raw)).forwarded is False


@given(
    st.lists(
        st.sampled_from([*SAMPLES, "> quoted", "new words", "", "-- ", "Kind regards,", ">> a", "<", "> wrote:"])
        | st.text(max_size=80),
        max_size=30,
    )
)
def test_no_word_of_a_mail_is_lost_or_made_up(lines):
    text = "\n".join(lines)

    reply = split_reply(ArrivedMail(text=text, from_="Bo Holm <bo@example.test>"))

    kept = "".join("".join([reply.text, reply.quoted or "", reply.signature or ""]).split())
    assert sorted(letters(kept)) == sorted(letters("".join(text.split())))


def letters(text: str) -> list[str]:
    return [char for char in text if char.isalnum()]


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """The mail with some of its lines removed, repeated, swapped, cut and damaged."""
    lines = raw.split(b"\n")
    for _ in range(chance.randint(1, 12)):
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                lines[at : at + chance.randint(0, 5)] = []
            case 1:
                lines[at:at] = lines[other : other + chance.randint(1, 5)]
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case _:
                lines[at] += bytes([chance.randrange(256)])
        lines = lines or [b""]
    return b"\n".join(lines)


@pytest.fixture(scope="module")
def corpus() -> list[bytes]:
    found = [path.read_bytes() for path in sorted((REPLIES / "messages").glob("*.eml"))]
    if not found:
        pytest.skip(f"no replies in {REPLIES}: set MAILSVC_REPLIES")
    return found


def test_mails_of_the_corpus_are_split_however_they_are_damaged(corpus):
    chance = random.Random(14)
    replies = [split_reply(read_mail(mutated(chance.choice(corpus), chance))) for _ in range(600)]

    assert all(isinstance(reply.text, str) for reply in replies)


def test_the_words_of_the_corpus_are_found(corpus):
    spec = importlib.util.spec_from_file_location("score", REPLIES / "score.py")
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)

    result, _, _, errors = scorer.score(new_words, REPLIES)

    total = result["all"]
    assert errors == 0
    assert total.right / total.n >= 0.90
    assert sum(total.kept) / total.n >= 0.98
    assert sum(total.clean) / total.n >= 0.97
