"""Refusals as real providers word them, sorted into the public bounce reasons."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc.domain.attempt import Reply, Stage
from mailsvc.mime.refusal_meaning import meaning_of, own_words
from mailsvc.smtp.replies import ReplyParser

REASONS = {
    "mailbox_unknown",
    "mailbox_disabled",
    "domain_unknown",
    "mailbox_full",
    "message_too_large",
    "content_rejected",
    "spam_rejected",
    "policy_rejected",
    "reputation_blocked",
    "authentication_failed",
    "sender_rejected",
    "relaying_denied",
    "rate_limited",
    "greylisted",
    "system_error",
    "network_error",
    "protocol_error",
    "expired",
    "other",
}
HARD = {"mailbox_unknown", "mailbox_disabled", "domain_unknown"}


def reason(line: str, stage: Stage = Stage.RCPT) -> str:
    """What a reply line means."""
    [reply] = ReplyParser().feed(line.encode() + b"\r\n")
    meaning = meaning_of(stage, reply, reply.text)
    assert meaning.type == ("hard" if meaning.reason in HARD else "soft")
    return meaning.reason


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("550 5.1.1 The email account that you tried to reach does not exist.", "mailbox_unknown"),
        ("550 5.1.1 <u@x.test>: Recipient address rejected: User unknown in virtual mailbox table", "mailbox_unknown"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "mailbox_unknown"),
        ("550 5.4.1 Recipient address rejected: Access denied.", "mailbox_unknown"),
        ("550 5.5.0 Requested action not taken: mailbox unavailable", "mailbox_unknown"),
        ("550 5.7.1 No such user here", "mailbox_unknown"),
        ("550 5.1.0 unknown recipient", "mailbox_unknown"),
        ("550 no such user", "mailbox_unknown"),
        ("550 Unknown user", "mailbox_unknown"),
        ("554 delivery error: dd This user doesn't have a example.test account", "mailbox_unknown"),
        ("551 user not local", "mailbox_unknown"),
        ("550 5.2.1 The email account that you tried to reach is inactive.", "mailbox_disabled"),
        ("554 this account has been suspended", "mailbox_disabled"),
        ("554 account has been suspended", "policy_rejected"),
        ("550 5.1.2 Bad destination system", "domain_unknown"),
        ("550 5.4.4 Unable to route", "domain_unknown"),
        ("550 unrouteable address", "domain_unknown"),
        ("556 does not accept mail", "domain_unknown"),
        ("552 5.2.2 Over quota", "mailbox_full"),
        ("552 sorry", "mailbox_full"),
        ("550 The mailbox is full", "mailbox_full"),
        ("552 5.3.4 Message size exceeds fixed limit", "message_too_large"),
        ("550 message too big", "message_too_large"),
        ("550 5.7.1 Message contains spam", "spam_rejected"),
        ("550 5.1.1 This looks like spam", "spam_rejected"),
        ("554 5.7.1 blocked using zen.spamhaus.test", "reputation_blocked"),
        (
            "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent: on our block list (S3150)",
            "reputation_blocked",
        ),
        ("550 5.7.26 This mail is unauthenticated", "authentication_failed"),
        ("550 5.7.1 rejected by the DMARC policy of example.test", "authentication_failed"),
        ("554 5.7.1 <u@x.test>: Relay access denied", "relaying_denied"),
        ("550 5.1.8 sender domain does not exist", "sender_rejected"),
        ("550 Sender address rejected: User unknown", "sender_rejected"),
        ("550 5.7.28 unusual rate", "rate_limited"),
        ("550 5.4.5 your account may send no more today", "rate_limited"),
        ("450 4.7.1 Greylisted, try again in 5 minutes", "greylisted"),
        ("554 5.7.1 refused", "policy_rejected"),
        ("550 not permitted", "policy_rejected"),
        ("571 go away", "policy_rejected"),
        ("550 5.6.0 bad header", "content_rejected"),
        ("554 5.7.1 virus found", "content_rejected"),
        ("554 5.3.0 system trouble", "system_error"),
        ("503 5.5.1 bad sequence", "protocol_error"),
        ("501 syntax", "protocol_error"),
        ("550 go away", "other"),
        ("554 5.0.0 no", "other"),
        ("550 5.2.0 no", "other"),
        ("550 the corporate mailer says no", "other"),
    ],
)
def test_refusals_are_sorted(line: str, expected: str) -> None:
    """Enhanced codes first, words where those say little."""
    assert reason(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("550 5.1.1 <spam@x.test>: user unknown", "mailbox_unknown"),
        ("550 no-such-user@x.test is refused", "policy_rejected"),
        ("550 <nobody+user-unknown@x.test> refused", "policy_rejected"),
        ('550 "user unknown"@x.test: go away', "other"),
        ("550 5.1.1 <dmarc.spamhaus@x.test> unknown", "mailbox_unknown"),
    ],
)
def test_words_in_an_address_do_not_decide_the_reason(line: str, expected: str) -> None:
    """Whoever chooses an address must not choose the reason."""
    assert reason(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "550 Sending domain not found. Please add it in your dashboard",
        "550 The domain app.test does not exist in our system, add it before you send",
        "550 the username has been disabled",
        "550 login account has been closed",
        "550 API key account is inactive",
        "550 5.1.1 Unknown user: your SMTP login shop is not known here",
        "550 5.1.1 Recipient not found in the allow list of this trial account",
        "550 Reply-to address is invalid",
        "550 Invalid address in To header",
        "550 invalid Message-ID header: domain not found",
        "550 The recipient does not accept email from you",
        "550 5.1.1 user mailbox is temporarily locked, please retry",
        "550 5.2.1 Mailbox disabled: sending is not permitted from this mailbox",
        "551 no",
        "556 no",
    ],
)
def test_in_doubt_the_recipient_is_not_at_fault(line: str) -> None:
    """A phrase about a recipient can be about the account, the sender or the message."""
    assert reason(line) not in HARD


@pytest.mark.parametrize("line", ["550 5.1.1 unknown", "550 user unknown", "552 5.2.2 full", "550 5.2.1 disabled"])
def test_a_refusal_of_mail_never_blames_a_recipient(line: str) -> None:
    """A refusal of MAIL is about the sender: it must suppress nobody."""
    assert reason(line, Stage.MAIL) == "sender_rejected"


def test_a_bare_552_means_the_size_at_the_dot_and_the_quota_at_rcpt() -> None:
    """RFC 5321 has one code for both."""
    assert reason("552 no", Stage.EOM) == "message_too_large"
    assert reason("552 no", Stage.RCPT) == "mailbox_full"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.3.4 the message has 10 bytes", "message_too_large"),
        ("5.6.7 needs SMTPUTF8", "protocol_error"),
        ("", "other"),
    ],
)
def test_our_own_refusals_have_reasons_too(text: str, expected: str) -> None:
    """Without a reply the text begins with the enhanced code."""
    meaning = meaning_of(Stage.MAIL, None, text)

    assert (meaning.reason, meaning.type) == (expected, "soft")


def test_our_own_text_is_split_into_code_and_text() -> None:
    assert own_words("5.3.4 the message has 10 bytes") == ("5.3.4", "the message has 10 bytes")
    assert own_words("connection lost") == (None, "connection lost")


@given(
    st.sampled_from(Stage),
    st.integers(400, 599),
    st.none() | st.from_regex(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
    st.text(),
)
def test_every_reply_has_a_reason_of_the_vocabulary(stage: Stage, code: int, enhanced: str | None, text: str) -> None:
    """Total: never an exception, never a word that is not documented."""
    meaning = meaning_of(stage, Reply(code, enhanced, text), text)

    assert meaning.reason in REASONS
    assert meaning.type == ("hard" if meaning.reason in HARD else "soft")


@pytest.mark.parametrize("piece", ["user ", "a@", "<", "domain", "mailbox is ", "exceeded its the "])
def test_a_reply_of_the_largest_size_is_read_at_once(piece: str) -> None:
    """No pattern runs wild on what a hostile relay says (processor time, not elapsed time)."""
    text = (piece * 32_768)[:32_768]
    began = time.process_time()
    meaning_of(Stage.RCPT, Reply(550, None, text), text)

    assert time.process_time() - began < 2
