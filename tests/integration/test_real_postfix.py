"""Whose fault is it, asked of a real Postfix with Dovecot's logins: every fate reached by our own session."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from mailsvc.domain.attempt import Fate, Reply, Stage
from mailsvc.domain.relay import Relay
from mailsvc.smtp.opening import RelayTrouble, Submission, TransactionResult, open_session
from tests.support.postfix import Listener, Postfix

MAIL = b"From: a@app.test\r\nSubject: Hi\r\nMessage-ID: <1@app.test>\r\nDate: Tue, 24 Nov 2026 01:00:00 +0000\r\n\r\n"


class FreeDot:
    """Nobody minds the dot."""

    def about(self, accepted: Sequence[int]) -> bool:
        return True

    def got(self, reply: Reply) -> None: ...


async def submitted(
    relay: Relay, *recipients: str, sender: str = "a@app.test", content: bytes = MAIL + b"Hi\r\n", **given: Any
) -> TransactionResult:
    """The result of one transaction in a session of its own."""
    session = await open_session(relay)
    result = await session.submit(Submission(sender, recipients or ("bob@example.test",), content, **given), FreeDot())
    await session.quit()
    return result


def told(result: TransactionResult) -> list[tuple[Fate, Stage, int, str | None]]:
    """The verdicts without their words."""
    replies = [(verdict, verdict.reply) for verdict in result.verdicts]
    return [(v.fate, v.stage, reply.code, reply.enhanced_code) for v, reply in replies if reply is not None]


SENT = (Fate.SENT, Stage.EOM, 250, "2.0.0")
BY_RECIPIENT = {
    "bob@example.test": SENT,
    "nobody@example.test": (Fate.BOUNCED, Stage.RCPT, 550, "5.1.1"),
    "full@example.test": (Fate.BOUNCED, Stage.RCPT, 552, "5.2.2"),
    "blocked@example.test": (Fate.BOUNCED, Stage.RCPT, 554, "5.7.1"),
    "someone@nowhere.test": (Fate.BOUNCED, Stage.RCPT, 550, "5.1.2"),
    "later@example.test": (Fate.DEFERRED, Stage.RCPT, 451, "4.3.0"),
    "grey@example.test": (Fate.DEFERRED, Stage.RCPT, 450, "4.2.0"),
}


async def test_each_recipient_of_one_message_has_its_own_result(postfix: Postfix) -> None:
    """Unknown, over quota, blocked, greylisted: the others get their mail all the same."""
    result = await submitted(postfix.relay(), *BY_RECIPIENT)

    assert told(result) == list(BY_RECIPIENT.values())
    assert result.relay_trouble is None
    assert [stored.recipient for stored in postfix.wait_for_messages()] == ["bob@example.test"]


@pytest.mark.parametrize("listener", ["submission", "bare"])
@pytest.mark.parametrize("recipient", ["nobody@example.test", "grey@example.test"])
async def test_a_mail_without_any_recipient_is_not_sent(postfix: Postfix, listener: Listener, recipient: str) -> None:
    """With PIPELINING and without, DATA after nothing but refusals leaves nothing at the relay."""
    fate, stage, code, _ = BY_RECIPIENT[recipient]

    assert [v[:3] for v in told(await submitted(postfix.relay(listener), recipient))] == [(fate, stage, code)]
    await submitted(postfix.relay(listener))
    assert [stored.recipient for stored in postfix.wait_for_messages()] == ["bob@example.test"]


async def test_greylisting_ends_when_the_same_sender_comes_back(postfix: Postfix) -> None:
    """The try after the wait is taken; another sender waits in turn."""
    postfix.policy.greylisted_tries = 2
    tries = [told(await submitted(postfix.relay(), "grey@example.test"))[0][0] for _ in range(3)]
    other = told(await submitted(postfix.relay(), "grey@example.test", sender="other@app.test"))

    assert tries == [Fate.DEFERRED, Fate.DEFERRED, Fate.SENT]
    assert other == [BY_RECIPIENT["grey@example.test"]]


async def test_recipients_beyond_the_limit_wait_for_another_transaction(postfix: Postfix) -> None:
    """452 4.5.3 is nobody's fault and charges nobody."""
    result = await submitted(postfix.relay("few"), *(f"user{n}@example.test" for n in range(7)))

    assert told(result) == [SENT] * 5 + [(Fate.UNTRIED, Stage.RCPT, 452, "4.5.3")] * 2
    assert len(postfix.wait_for_messages(5)) == 5


async def test_a_mail_too_large_bounces(postfix: Postfix) -> None:
    """552 5.3.4 comes after the dot where EHLO doesn't name the limit."""
    result = await submitted(postfix.relay("small"), content=MAIL + b"x" * 70 + b"\r\n" + b"0123456789\r\n" * 2000)

    assert told(result) == [(Fate.BOUNCED, Stage.EOM, 552, "5.3.4")]


async def test_content_may_be_refused_after_the_dot(postfix: Postfix) -> None:
    """Every recipient that was accepted bounces, and nobody gets it."""
    spam = MAIL.replace(b"Hi", b"GTUBE") + b"Hi\r\n"
    result = await submitted(postfix.relay(), "bob@example.test", "eve@example.test", content=spam)

    assert told(result) == [(Fate.BOUNCED, Stage.EOM, 550, "5.7.1")] * 2
    assert postfix.messages() == []


@pytest.mark.parametrize(
    ("state", "action", "verdict", "is_trouble"),
    [
        ("MAIL", "450 4.3.2 not now", (Fate.DEFERRED, Stage.MAIL, 450, "4.3.2"), False),
        ("MAIL", "553 5.1.8 not you", (Fate.BOUNCED, Stage.MAIL, 553, "5.1.8"), False),
        ("MAIL", "421 4.3.2 closing", (Fate.UNTRIED, Stage.MAIL, 421, "4.3.2"), True),
        ("RCPT", "421 4.3.2 closing", (Fate.UNTRIED, Stage.RCPT, 421, "4.3.2"), True),
        ("DATA", "451 4.3.0 not now", (Fate.DEFERRED, Stage.DATA, 451, "4.3.0"), False),
        ("DATA", "554 5.5.1 not at all", (Fate.BOUNCED, Stage.DATA, 554, "5.5.1"), False),
        ("END-OF-MESSAGE", "452 4.3.1 no space", (Fate.DEFERRED, Stage.EOM, 452, "4.3.1"), False),
        ("END-OF-MESSAGE", "554 5.6.0 not this", (Fate.BOUNCED, Stage.EOM, 554, "5.6.0"), False),
        ("END-OF-MESSAGE", "421 4.3.2 closing", (Fate.DEFERRED, Stage.EOM, 421, "4.3.2"), True),
    ],
)
async def test_a_refusal_at_each_stage_has_its_meaning(
    postfix: Postfix, state: Any, action: str, verdict: tuple[object, ...], is_trouble: bool
) -> None:
    """DESIGN's table: 4xx defers, 5xx bounces, 421 is the relay's trouble; the next session finds it well."""
    postfix.policy.say(state, "*", action, times=1)
    result = await submitted(postfix.relay())

    assert told(result) == [verdict]
    assert (result.relay_trouble is not None) is is_trouble
    assert told(await submitted(postfix.relay())) == [SENT]


@pytest.mark.parametrize("code", [421, 554])
async def test_a_relay_that_rejects_the_connection_is_in_trouble(postfix: Postfix, code: int) -> None:
    """No message is to blame."""
    postfix.policy.say("CONNECT", "*", f"{code} {code // 100}.3.2 go away", times=1)

    with pytest.raises(RelayTrouble) as caught:
        await open_session(postfix.relay())
    assert caught.value.stage is Stage.GREETING
    assert caught.value.reply is not None
    assert (caught.value.reply.code, caught.value.reply.enhanced_code) == (code, f"{code // 100}.3.2")


@pytest.mark.parametrize(
    ("listener", "words"),
    [
        ("no_starttls", "doesn't offer STARTTLS"),
        ("expired", "has expired"),
        ("wrong_name", "is for another name"),
        ("untrusted", "not trusted"),
    ],
)
async def test_nothing_is_sent_without_verified_tls(postfix: Postfix, listener: Listener, words: str) -> None:
    """Neither password nor mail goes to a relay that can't prove who it is; the reason is in words."""
    with pytest.raises(RelayTrouble, match=words) as caught:
        await open_session(postfix.relay(listener))

    line = await asyncio.to_thread(postfix.wait_for_log, rf"{listener}/smtpd.*: disconnect from .*")
    assert caught.value.stage is Stage.STARTTLS
    assert "auth=" not in line[0]
    assert "mail=" not in line[0]


async def test_certificate_verification_can_be_switched_off(postfix: Postfix) -> None:
    """verify=False: protected from listeners, and shown as not verified."""
    session = await open_session(postfix.relay("expired", verify=False))

    assert (session.tls is not None, session.tls and session.tls.verified) == (True, False)
    await session.quit()
    await asyncio.to_thread(postfix.wait_for_log, r"expired/smtpd.*: disconnect from .* auth=1")


@pytest.mark.parametrize("auth", ["auto", "plain", "login", "cram-md5", "scram-sha-256"])
async def test_a_wrong_password_is_the_relays_trouble(postfix: Postfix, auth: str) -> None:
    """535 from a real SASL server, whatever the mechanism; it is tried once."""
    with pytest.raises(RelayTrouble) as caught:
        await open_session(postfix.relay(auth=auth, password="wrong"))

    assert (caught.value.stage, caught.value.is_auth) == (Stage.AUTH, True)
    assert caught.value.reply is not None
    assert (caught.value.reply.code, caught.value.reply.enhanced_code) == (535, "5.7.8")


@pytest.mark.parametrize("listener", ["submission", "implicit"])
@pytest.mark.parametrize("auth", ["auto", "plain", "login", "cram-md5", "scram-sha-256"])
async def test_every_mechanism_logs_in(postfix: Postfix, listener: Listener, auth: str) -> None:
    """By STARTTLS and by implicit TLS, verified."""
    assert told(await submitted(postfix.relay(listener, auth=auth))) == [SENT]

    assert postfix.policy.asked[-1]["sasl_username"] == "app"
    assert auth == "auto" or postfix.policy.asked[-1]["sasl_method"].lower() == auth


async def test_a_relay_may_require_its_own_sender_address(postfix: Postfix) -> None:
    """Real providers refuse a MAIL FROM that isn't the account's, so VERP is not for them."""
    refused = await submitted(postfix.relay("owner"), sender="owner+token@app.test")

    assert told(refused) == [(Fate.BOUNCED, Stage.MAIL, 553, "5.7.1")]
    assert told(await submitted(postfix.relay("owner"), sender="owner@app.test")) == [SENT]


@pytest.mark.parametrize("listener", ["submission", "bare"])
async def test_the_received_message_equals_the_sent_one(postfix: Postfix, listener: Listener) -> None:
    """Byte for byte, with dots at the beginnings of lines, with all extensions and with none."""
    content = MAIL + b".\r\n..\r\n.x\r\n\r\n" + b"y" * 998 + b"\r\n.\r\nend\r\n"
    await submitted(postfix.relay(listener), content=content)

    assert postfix.wait_for_messages()[0].raw.replace(b"\n", b"\r\n").endswith(content)


async def test_many_mails_travel_in_one_session(postfix: Postfix) -> None:
    """Refusals between them do no harm to the next."""
    session = await open_session(postfix.relay())
    results = [
        await session.submit(Submission("a@app.test", (recipient,), MAIL + b"Hi\r\n"), FreeDot())
        for recipient in [*BY_RECIPIENT, *BY_RECIPIENT]
    ]
    await session.quit()

    first, second = results[: len(BY_RECIPIENT)], results[len(BY_RECIPIENT) :]
    assert [told(result)[0] for result in first] == list(BY_RECIPIENT.values())
    assert [told(result)[0] for result in second] == [*BY_RECIPIENT.values()][:-1] + [SENT]  # no longer greylisted


async def test_non_ascii_addresses_are_sent_where_smtputf8_is_offered(postfix: Postfix) -> None:
    """SMTPUTF8, asked for only where a message needs it."""
    result = await submitted(postfix.relay(), "jürgen@example.test", smtputf8=True)

    assert told(result) == [SENT]
    assert len(postfix.wait_for_messages()) == 1


async def test_a_requested_receipt_arrives(postfix: Postfix) -> None:
    """NOTIFY=SUCCESS and ENVID reach the relay, which reports to the sender."""
    await submitted(postfix.relay(), notify_success=True, envid="dlv_1")

    receipt = postfix.wait_for_messages(1, "a@app.test")[0].parsed
    assert receipt.get_content_type() == "multipart/report"
    assert b"Original-Envelope-Id: dlv_1" in receipt.as_bytes()
    assert b"Action: delivered" in receipt.as_bytes()
