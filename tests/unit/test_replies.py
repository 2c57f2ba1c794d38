"""The judge of refusals, held to what real servers say (tests/corpus/replies.toml)."""

import tomllib
from pathlib import Path

import pytest

from mailsvc.domain.attempt import Fate, Reply, Stage
from mailsvc.mime.refusal_meaning import is_about_count, is_our_rate, meaning_of
from mailsvc.smtp.replies import ReplyParser
from mailsvc.smtp.trouble import fate_of

CORPUS = tomllib.loads((Path(__file__).parent.parent / "corpus" / "replies.toml").read_text())
ROWS = [(provider, *row) for provider, table in CORPUS.items() for row in table["rows"]]


def parsed(said: str) -> Reply:
    """The reply that these lines make."""
    [reply] = ReplyParser().feed("".join(f"{line}\r\n" for line in said.split("\n")).encode())
    return reply


@pytest.mark.parametrize(("provider", "stage", "said", "reason", "follows"), ROWS)
def test_a_real_refusal_gets_the_expected_reason(
    provider: str, stage: str, said: str, reason: str, follows: str
) -> None:
    """Reason, suppression, and whether it is tried again."""
    reply = parsed(said)
    meaning = meaning_of(Stage(stage), reply, reply.text)

    assert meaning.reason == reason
    assert meaning.is_hard == (follows == "suppresses")
    assert meaning.is_for_later == (follows == "retried")
    assert (fate_of(Stage(stage), reply) is Fate.DEFERRED) == (follows == "retried" or reply.code < 500)


def test_the_table_is_large_and_its_rows_have_a_source() -> None:
    assert len(ROWS) >= 120
    assert all(table["source"].startswith("http") for table in CORPUS.values())


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.EOM])
def test_a_rate_or_a_quota_never_bounces_at_any_stage(stage: Stage) -> None:
    """Until the message expires, it is tried again."""
    replies = [parsed(said) for _, _, said, _, follows in ROWS if follows == "retried"]

    assert len(replies) >= 40
    assert {fate_of(stage, reply) for reply in replies} == {Fate.DEFERRED}


def test_no_reply_to_mail_suppresses_a_recipient() -> None:
    """Whatever is said to MAIL is about the sender."""
    replies = [parsed(said) for _, _, said, _, _ in ROWS]

    assert not any(meaning_of(Stage.MAIL, reply, reply.text).is_hard for reply in replies)


@pytest.mark.parametrize("stage", [Stage.DATA, Stage.EOM])
def test_a_reply_to_several_recipients_at_once_suppresses_none_of_them(stage: Stage) -> None:
    """Which of them it is about can't be known."""
    replies = [parsed(said) for _, _, said, _, _ in ROWS]

    assert not any(meaning_of(stage, reply, reply.text, recipients=2).is_hard for reply in replies)
    assert any(meaning_of(stage, reply, reply.text, recipients=1).is_hard for reply in replies)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("554 Transaction failed: Recipient count exceeds 50.", True),
        ("550 Too many recipients", True),
        ("452 4.5.3 Too many recipients", True),
        ("550 5.5.3 Too many recipients", True),
        ("550 5.7.1 recipient limit exceeded", True),
        ("452 Too many recipients received this hour (throttled)", False),
        ("550 Too many recipients per day", False),
        ("450 4.7.1 Error: too many recipients from 192.0.2.1", False),
        ("550 Requested mail action not taken: too much recipient", True),
        ("550 5.1.90 you've reached your daily limit for message recipients", False),
        ("550 5.1.1 User unknown", False),
        ("550 5.1.1 Recipient address rejected: unknown", False),
    ],
)
def test_a_recipient_limit_is_distinguished_from_a_quota(said: str, expected: bool) -> None:
    """The one has the transaction split, the other has it wait."""
    assert is_about_count(parsed(said)) is expected


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        ("550 5.4.5 Daily user sending limit exceeded", True),
        ("550 too many emails per second", True),
        ("450 4.2.1 The user you are trying to contact is receiving mail too quickly", False),
        (
            "550 5.2.122 The recipient has exceeded their limit for the number of messages they can receive per hour",
            False,
        ),
        ("450 4.2.0 Greylisted", False),
        ("451 4.3.0 try again later", False),
    ],
)
def test_only_our_own_rate_slows_the_relay_down(said: str, ours: bool) -> None:
    """A recipient who gets too much says nothing about the account."""
    assert is_our_rate(Stage.RCPT, parsed(said)) is ours
