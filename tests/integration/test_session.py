"""Sessions with a real server on loopback that fails in every way: nothing is lost, nobody is blamed for the relay."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from mailsvc.domain.attempt import Fate, Reply, Stage
from mailsvc.domain.relay import Timeouts
from mailsvc.smtp import auth, connect
from mailsvc.smtp import session as smtp_session
from mailsvc.smtp.opening import RelayTrouble, Session, Submission, TransactionResult, open_session
from tests.support.faulty import DROP, FORGET, HANG, RESET, FaultyServer, Late, Mood
from tests.support.sasl import PASSWORD, TOKEN, USER

ALICE, BOB = "alice@example.test", "bob@example.test"
CONTENT = b"Subject: Hi\r\n\r\nHello\r\n..\r\n"
LARGE = (b"x" * 76 + b"\r\n") * 200_000  # more than loopback holds on the way
SENT, BOUNCED, DEFERRED, UNTRIED, UNCERTAIN = Fate.SENT, Fate.BOUNCED, Fate.DEFERRED, Fate.UNTRIED, Fate.UNCERTAIN
SOON = Timeouts(connect=5, greeting=0.2, ehlo=0.2, mail=0.2, rcpt=0.2, data=0.2, body=0.2, eom=0.2)
PATIENT = Timeouts(connect=20, greeting=20, ehlo=20, mail=20, rcpt=20, data=20, body=20, eom=20)
LOCK_STEP = ("SIZE 26214400", "8BITMIME", "DSN")
ROUND_TRIPS = pytest.mark.parametrize("offers", [("PIPELINING", *LOCK_STEP), LOCK_STEP], ids=["pipelined", "lock-step"])


@dataclass
class Dots:
    """Says yes, and remembers what it was told."""

    lease_is_ours: bool = True
    told: list[Any] = field(default_factory=list)

    def about(self, accepted: Sequence[int]) -> bool:
        self.told.append(tuple(accepted))
        return self.lease_is_ours

    def got(self, reply: Reply) -> None:
        self.told.append(reply.code)


def mail(*recipients: str, content: bytes = CONTENT) -> Submission:
    return Submission("shop@app.test", recipients or (ALICE,), content, envid="msg_1")


async def submit(server: FaultyServer, submission: Submission | None = None, **given: Any) -> TransactionResult:
    """One transaction over a session of its own."""
    session = await open_session(server.relay(**given))
    try:
        return await session.submit(submission or mail(), Dots())
    finally:
        session.abort()


def fates(result: TransactionResult) -> list[Fate]:
    return [verdict.fate for verdict in result.verdicts]


async def trouble(server: FaultyServer, **given: Any) -> RelayTrouble:
    """The trouble that a session can't be opened for."""
    with pytest.raises(RelayTrouble) as caught:
        await open_session(server.relay(**given))
    return caught.value


# When all is well


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_mail_is_sent_encrypted_and_authenticated(tls: Any) -> None:
    """Content arrives byte by byte; the dot is announced before and its reply told after."""
    dots = Dots()
    async with FaultyServer(tls=tls) as server:
        session = await open_session(server.relay())
        result = await session.submit(mail(ALICE, BOB), dots)
        await session.quit()

    [received] = server.messages
    assert (received.content, received.user, received.protected) == (CONTENT, USER, True)
    assert (fates(result), dots.told) == ([SENT, SENT], [(0, 1), 250])
    assert session.tls is not None and (session.tls.version, session.tls.verified) == ("TLSv1.3", True)


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "scram-sha-256", "xoauth2", "oauthbearer"])
async def test_every_mechanism_logs_in(mechanism: str) -> None:
    """With the password, or the token where the mechanism takes one."""
    credentials = {"password": None, "access_token": TOKEN} if "auth" in mechanism else {}
    async with FaultyServer() as server:
        result = await submit(server, auth=mechanism, **credentials)

    assert (fates(result), server.messages[0].user) == ([SENT], USER)


async def test_scram_is_computed_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thousands of hashes must not stop other sessions."""
    usual, threads = auth.Exchange.answer, set()

    def answer(exchange: auth.Exchange, challenge: str) -> bytes:
        threads.add(threading.current_thread())
        return usual(exchange, challenge)

    monkeypatch.setattr(auth.Exchange, "answer", answer)
    async with FaultyServer() as server:
        await submit(server, auth="scram-sha-256")

    assert threads and threading.current_thread() not in threads


async def test_one_session_carries_many_mails() -> None:
    """No RSET after a success; one after a failure; nothing but one connection and one login."""
    async with FaultyServer({"mail:2": "451 later"}) as server:
        session = await open_session(server.relay())
        results = [await session.submit(mail(), Dots()) for _ in range(4)]

    assert [fates(result) for result in results] == [[SENT], [DEFERRED], [SENT], [SENT]]
    assert (server.connections, server.commands.count("RSET"), session.sent) == (1, 1, 4)


async def test_a_session_ends_at_its_message_limit() -> None:
    """Contract: max_messages_per_connection."""
    async with FaultyServer() as server:
        session = await open_session(server.relay(max_messages_per_connection=2))
        seen = [(await session.submit(mail(), Dots())) and session.usable for _ in range(2)]

    assert seen == [True, False]


@ROUND_TRIPS
async def test_a_large_message_arrives_whole(offers: Sequence[str]) -> None:
    """4 MB to a server with a small window, dots at line ends and beginnings."""
    content = LARGE[: 78 * 50_000] + b".\r\n..\r\n" * 1000
    async with FaultyServer(offers=offers, small=True) as server:
        result = await submit(server, mail(content=content))

    assert fates(result) == [SENT]
    assert server.messages[0].content == content


async def test_a_thousand_recipients_go_in_one_pipeline() -> None:
    """No deadlock, however much both sides have to say."""
    recipients = tuple(f"user{n}@example.test" for n in range(1000))
    async with FaultyServer({f"rcpt {recipients[500]}": "550 5.1.1 unknown"}) as server:
        result = await submit(server, mail(*recipients))

    assert (fates(result).count(SENT), result.verdicts[500].fate) == (999, BOUNCED)
    assert len(server.messages[0].recipients) == 999


async def test_helo_is_used_where_nothing_depends_on_ehlo() -> None:
    """Only without TLS and AUTH."""
    async with FaultyServer({"ehlo": "502 what?"}, tls="none") as server:
        result = await submit(server, username=None, password=None)
        refused = await trouble(server)

    assert (fates(result), server.commands[:2]) == ([SENT], ["EHLO [127.0.0.1]", "HELO [127.0.0.1]"])
    assert refused.stage is Stage.EHLO


# The relay's fault: a session that can't be opened


@pytest.mark.parametrize(
    ("stage", "mood", "expected", "code"),
    [
        ("connect", DROP, Stage.GREETING, None),
        ("connect", RESET, Stage.GREETING, None),
        ("connect", HANG, Stage.GREETING, None),
        ("greeting", "554 5.7.1 go away", Stage.GREETING, 554),
        ("greeting", "421 busy", Stage.GREETING, 421),
        ("greeting", "HTTP/1.1 400 Bad Request", Stage.GREETING, None),
        ("greeting", ("220-hello\n220-", RESET), Stage.GREETING, None),
        ("ehlo", "550 5.7.1 no", Stage.EHLO, 550),
        ("ehlo", "451 later", Stage.EHLO, 451),
        ("ehlo", "421 bye", Stage.EHLO, 421),
        ("ehlo", DROP, Stage.EHLO, None),
        ("ehlo", RESET, Stage.EHLO, None),
        ("ehlo", HANG, Stage.EHLO, None),
        ("ehlo", " 50 ok", Stage.EHLO, None),
        ("ehlo", "250-a\n251 b", Stage.EHLO, None),
        ("ehlo:2", "421 bye", Stage.EHLO, 421),
        ("ehlo:2", DROP, Stage.EHLO, None),
        ("starttls", "454 4.7.0 no TLS now", Stage.STARTTLS, 454),
        ("starttls", "554 no", Stage.STARTTLS, 554),
        ("starttls", DROP, Stage.STARTTLS, None),
        ("starttls", HANG, Stage.STARTTLS, None),
        ("tls", DROP, Stage.STARTTLS, None),
        ("tls", RESET, Stage.STARTTLS, None),
        ("tls", HANG, Stage.STARTTLS, None),
        ("tls", b"not TLS at all\r\n", Stage.STARTTLS, None),
        ("auth", "535 5.7.8 wrong", Stage.AUTH, 535),
        ("auth", "550 5.7.30 basic authentication is switched off", Stage.AUTH, 550),
        ("auth", "554 no", Stage.AUTH, 554),
        ("auth", "454 4.7.0 later", Stage.AUTH, 454),
        ("auth", "421 bye", Stage.AUTH, 421),
        ("auth", DROP, Stage.AUTH, None),
        ("auth", RESET, Stage.AUTH, None),
        ("auth", HANG, Stage.AUTH, None),
        ("auth", "334 !!!", Stage.AUTH, None),
    ],
)
async def test_what_stops_a_session_is_the_relays_fault(
    stage: str, mood: Mood, expected: Stage, code: int | None
) -> None:
    """Any code at any stage before MAIL: the relay backs off, no message is charged."""
    async with FaultyServer({stage: mood}) as server:
        seen = await trouble(server, timeouts=SOON, auth="plain")

    assert (seen.stage, seen.reply and seen.reply.code) == (expected, code)
    assert seen.is_auth == (stage == "auth" and code in (535, 550, 554))
    assert seen.text and PASSWORD not in str(seen)


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "auth"])
@pytest.mark.parametrize("line", [b"SSH-2.0-OpenSSH_9.2", b"999 what?", b"+OK POP3 ready", b"* OK IMAP ready"])
async def test_the_line_of_another_protocol_is_shown(stage: str, line: bytes) -> None:
    """As it came, without the words and quotes of a library or of Python."""
    async with FaultyServer({stage: line + b"\r\n"}) as server:
        seen = await trouble(server, timeouts=SOON, auth="plain")

    assert seen.text == f"not an SMTP reply: {line.decode()}"


async def test_a_closed_port_is_the_relays_fault() -> None:
    """A refused connection."""
    async with FaultyServer() as server:
        relay = server.relay()
    with pytest.raises(RelayTrouble, match="connection refused") as caught:
        await open_session(relay)

    assert caught.value.stage is Stage.CONNECT


@pytest.mark.parametrize("host", ["nowhere.invalid", "bad..name", "x" * 300])
async def test_an_unresolvable_name_is_the_relays_fault(host: str) -> None:
    """Whatever the resolver makes of it."""
    async with FaultyServer() as server:
        seen = await trouble(server, host=host)

    assert seen.stage is Stage.CONNECT


async def test_a_full_backlog_ends_by_the_connect_timeout() -> None:
    """A host that drops our packets."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        server = FaultyServer()
        server.port = listening.getsockname()[1]
        seen = await trouble(server, timeouts=Timeouts(connect=0.2))
        for filler in fillers:
            filler.close()

    assert (seen.stage, seen.text) == (Stage.CONNECT, "no answer in time")


async def test_the_greeting_has_its_own_timeout() -> None:
    """Many relays make strangers wait for it, longer than connecting may take."""
    async with FaultyServer({"greeting": Late(0.6, "220 at last")}) as server:
        session = await open_session(server.relay(timeouts=Timeouts(connect=0.3)))
        session.abort()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"certificate": "expired"}, "has expired"),
        ({"certificate": "wrong name"}, "for another name"),
        ({"certificate": "untrusted"}, "not trusted"),
        ({"certificate": "old"}, ""),
    ],
)
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_relay_with_an_invalid_certificate_gets_no_password(
    given: dict[str, Any], words: str, tls: Any
) -> None:
    """The reason is in words; nothing was said after the failed handshake."""
    async with FaultyServer(tls=tls, **given) as server:
        seen = await trouble(server)

    assert (seen.stage, seen.is_auth) == (Stage.STARTTLS, False)
    assert words in seen.text
    assert server.commands == (["EHLO [127.0.0.1]", "STARTTLS"] if tls == "starttls" else [])


async def test_certificate_verification_can_be_switched_off() -> None:
    """`verify: false` is written down with the attempt."""
    async with FaultyServer(certificate="untrusted") as server:
        session = await open_session(server.relay(verify=False))
        session.abort()

    assert session.tls is not None and not session.tls.verified


async def test_a_relay_without_starttls_gets_no_password() -> None:
    """Stripped by somebody in between or never there: required means required."""
    async with FaultyServer(tls="none") as server:
        seen = await trouble(server, tls="starttls")

    assert (seen.stage, server.commands) == (Stage.STARTTLS, ["EHLO [127.0.0.1]"])


@pytest.mark.parametrize("injected", [b"250 ok\r\n", b"250-rel", b"\r\n"])
async def test_data_injected_before_tls_is_fatal(injected: bytes) -> None:
    """CVE-2011-0411 and its family: it would be taken for something protected."""
    async with FaultyServer({"starttls": b"220 go ahead\r\n" + injected}) as server:
        seen = await trouble(server)

    assert (seen.stage, server.commands[-1]) == (Stage.STARTTLS, "STARTTLS")


async def test_capabilities_offered_before_tls_are_discarded() -> None:
    """RFC 3207 section 4.2: only what is told under protection counts."""
    lie = "250-faulty.test\n250-STARTTLS\n250-SIZE 10\n250 AUTH CRAM-MD5"
    async with FaultyServer({"ehlo:1": lie}) as server:
        result = await submit(server)

    assert fates(result) == [SENT]
    assert any(command.startswith("AUTH SCRAM-SHA-256") for command in server.commands)


async def test_a_port_that_speaks_no_tls_is_explained() -> None:
    """The likeliest mistake in a relay's settings."""
    async with FaultyServer(tls="none") as server:
        seen = await trouble(server, tls="implicit")

    assert "465" in seen.text


async def test_a_refused_login_is_tried_once() -> None:
    """One mechanism, one try: relays lock accounts."""
    async with FaultyServer() as server:
        seen = await trouble(server, password="guess")

    assert (seen.is_auth, seen.reply and seen.reply.enhanced_code) == (True, "5.7.8")
    assert sum(command.startswith("AUTH") for command in server.commands) == 1


async def test_no_login_is_tried_without_a_common_mechanism() -> None:
    """What is offered and what is needed is in the text."""
    async with FaultyServer(mechanisms=["NTLM"]) as server:
        seen = await trouble(server)

    assert (seen.stage, seen.is_auth) == (Stage.AUTH, False)
    assert "NTLM" in seen.text and not any(command.startswith("AUTH") for command in server.commands)


async def test_a_missing_scram_server_signature_fails_the_login() -> None:
    """SCRAM-SHA-256 works in both directions."""
    async with FaultyServer({"challenge": "235 2.7.0 welcome"}) as server:
        seen = await trouble(server, auth="scram-sha-256")

    assert (seen.stage, "prove" in seen.text) == (Stage.AUTH, True)


# Whose fault, over a real connection


TABLE: list[tuple[str, dict[str, Mood], list[Fate], Stage, bool, bool, int]] = [
    # name, script, fates of Alice and Bob, stage of Bob's verdict, usable, the breaker is told, stored
    ("4xx to MAIL", {"mail": "451 4.3.0 later"}, [DEFERRED, DEFERRED], Stage.MAIL, True, False, 0),
    ("5xx to MAIL", {"mail": "550 5.7.1 no"}, [BOUNCED, BOUNCED], Stage.MAIL, True, False, 0),
    ("530 to MAIL", {"mail": "530 5.7.0 log in"}, [UNTRIED, UNTRIED], Stage.MAIL, False, True, 0),
    ("421 to MAIL", {"mail": "421 bye"}, [UNTRIED, UNTRIED], Stage.MAIL, False, True, 0),
    ("dropped at MAIL", {"mail": DROP}, [DEFERRED, DEFERRED], Stage.MAIL, False, True, 0),
    ("reset at MAIL", {"mail": RESET}, [DEFERRED, DEFERRED], Stage.MAIL, False, True, 0),
    ("silent at MAIL", {"mail": HANG}, [DEFERRED, DEFERRED], Stage.MAIL, False, True, 0),
    ("garbage at MAIL", {"mail": "what?"}, [DEFERRED, DEFERRED], Stage.MAIL, False, True, 0),
    ("4xx to RCPT", {"rcpt:2": "450 4.2.0 later"}, [SENT, DEFERRED], Stage.RCPT, True, False, 1),
    ("5xx to RCPT", {f"rcpt {BOB}": "550 5.1.1 unknown"}, [SENT, BOUNCED], Stage.RCPT, True, False, 1),
    ("all refused", {"rcpt": "550 5.1.1 unknown"}, [BOUNCED, BOUNCED], Stage.RCPT, True, False, 0),
    ("too many", {"rcpt:2": "452 4.5.3 too many"}, [SENT, UNTRIED], Stage.RCPT, True, False, 1),
    ("421 to RCPT", {"rcpt:2": "421 bye"}, [UNTRIED, UNTRIED], Stage.RCPT, False, True, 0),
    ("421 after a refusal", {"rcpt:1": "550 no", "rcpt:2": "421 bye"}, [BOUNCED, UNTRIED], Stage.RCPT, False, True, 0),
    ("dropped at RCPT", {"rcpt:1": "550 no", "rcpt:2": DROP}, [BOUNCED, DEFERRED], Stage.RCPT, False, True, 0),
    ("silent at RCPT", {"rcpt:1": "550 no", "rcpt:2": HANG}, [BOUNCED, DEFERRED], Stage.RCPT, False, True, 0),
    ("4xx to DATA", {"data": "451 later"}, [DEFERRED, DEFERRED], Stage.DATA, True, False, 0),
    ("5xx to DATA", {"data": "554 no"}, [BOUNCED, BOUNCED], Stage.DATA, True, False, 0),
    ("421 to DATA", {"data": "421 bye"}, [UNTRIED, UNTRIED], Stage.DATA, False, True, 0),
    ("dropped at DATA", {"data": DROP}, [DEFERRED, DEFERRED], Stage.DATA, False, True, 0),
    ("silent at DATA", {"data": HANG}, [DEFERRED, DEFERRED], Stage.DATA, False, True, 0),
    ("4xx to the dot", {"dot": "452 4.3.1 disk full"}, [DEFERRED, DEFERRED], Stage.EOM, True, False, 0),
    ("5xx to the dot", {"dot": "554 5.7.1 spam"}, [BOUNCED, BOUNCED], Stage.EOM, True, False, 0),
    ("421 to the dot", {"dot": "421 bye"}, [DEFERRED, DEFERRED], Stage.EOM, False, True, 0),
    ("another 2xx to the dot", {"stored": "200 ok"}, [SENT, SENT], Stage.EOM, True, False, 1),
    ("dropped before it is stored", {"dot": DROP}, [UNCERTAIN, UNCERTAIN], Stage.EOM, False, True, 0),
    ("reset before it is stored", {"dot": RESET}, [UNCERTAIN, UNCERTAIN], Stage.EOM, False, True, 0),
    ("dropped when it is stored", {"stored": DROP}, [UNCERTAIN, UNCERTAIN], Stage.EOM, False, True, 1),
    ("reset when it is stored", {"stored": RESET}, [UNCERTAIN, UNCERTAIN], Stage.EOM, False, True, 1),
    ("silent when it is stored", {"stored": HANG}, [UNCERTAIN, UNCERTAIN], Stage.EOM, False, True, 1),
    ("taken, then dropped", {"stored": ("250 ok", DROP)}, [SENT, SENT], Stage.EOM, False, False, 1),
    ("taken, then garbage", {"stored": b"250 ok\r\n???\r\n"}, [SENT, SENT], Stage.EOM, False, False, 1),
    ("taken twice", {"stored": b"250 ok\r\n250 ok\r\n"}, [SENT, SENT], Stage.EOM, False, False, 1),
]


@ROUND_TRIPS
@pytest.mark.parametrize(
    ("name", "script", "expected", "stage", "usable", "told", "stored"), TABLE, ids=[row[0] for row in TABLE]
)
async def test_every_failure_is_classified_by_whose_fault_it_is(
    name: str,
    script: dict[str, Mood],
    expected: list[Fate],
    stage: Stage,
    usable: bool,
    told: bool,
    stored: int,
    offers: Sequence[str],
) -> None:
    """DESIGN, Whose fault?"""
    async with FaultyServer(script, offers=offers) as server:
        session = await open_session(server.relay(timeouts=SOON if HANG in script.values() else PATIENT))
        result = await session.submit(mail(ALICE, BOB), Dots())
        await left(session, usable)

        assert (fates(result), result.verdicts[1].stage) == (expected, stage)
        assert (session.usable, result.relay_trouble is not None, result.stale) == (usable, told, False)
        assert len(server.messages) == stored
        session.abort()


async def left(session: Session, usable: bool) -> None:
    """Give what came after the last reply the time to arrive."""
    async with asyncio.timeout(5):
        while session.usable and not usable:
            await asyncio.sleep(0)


# Connections that died while idle


@ROUND_TRIPS
@pytest.mark.parametrize("death", [DROP, RESET, "421 4.4.2 idle", b"250 out of turn\r\n"])
async def test_a_connection_lost_while_idle_charges_no_attempt(death: Mood, offers: Sequence[str]) -> None:
    """Seen before anything is said: stale, nobody is charged, the breaker hears nothing."""
    async with FaultyServer({"stored": [("250 ok", death)]}, offers=offers) as server:
        session = await open_session(server.relay())
        await session.submit(mail(), Dots())
        await left(session, usable=False)
        result = await session.submit(mail(ALICE, BOB), Dots())

    assert (result.stale, fates(result), result.relay_trouble) == (True, [UNTRIED, UNTRIED], None)
    assert (session.usable, len(server.messages)) == (False, 1)


@ROUND_TRIPS
@pytest.mark.parametrize("death", [DROP, RESET, "421 4.4.2 idle", "530 5.7.0 log in again"])
async def test_a_connection_lost_at_the_next_mail_charges_no_attempt(death: Mood, offers: Sequence[str]) -> None:
    """Seen only by the answer to MAIL."""
    async with FaultyServer({"mail:2": death}, offers=offers) as server:
        session = await open_session(server.relay())
        await session.submit(mail(), Dots())
        result = await session.submit(mail(ALICE, BOB), Dots())

    assert (result.stale, fates(result), result.relay_trouble) == (True, [UNTRIED, UNTRIED], None)


@ROUND_TRIPS
@pytest.mark.parametrize("answer", [DROP, "421 bye", "500 unknown command"])
async def test_a_connection_that_fails_at_rset_charges_no_attempt(answer: Mood, offers: Sequence[str]) -> None:
    """After a failure the next mail needs RSET first."""
    async with FaultyServer({"dot": ["451 later"], "rset": answer}, offers=offers) as server:
        session = await open_session(server.relay())
        await session.submit(mail(), Dots())
        result = await session.submit(mail(), Dots())

    assert (result.stale, fates(result), session.usable) == (True, [UNTRIED], False)


async def test_a_timeout_at_the_next_mail_is_not_a_dead_connection() -> None:
    """Else a slow relay would be dialled for ever, uncharged."""
    async with FaultyServer({"mail:2": HANG}) as server:
        session = await open_session(server.relay(timeouts=SOON))
        await session.submit(mail(), Dots())
        result = await session.submit(mail(), Dots())

    assert (result.stale, fates(result)) == (False, [DEFERRED])
    assert result.relay_trouble is not None


# Transactions that begin together with the dot before


async def both(session: Session, *recipients: str) -> tuple[TransactionResult, TransactionResult]:
    """Two transactions, the second opened early where the relay allows it."""
    second = mail(*recipients)
    first = await session.submit(mail(), Dots(), following=lambda: second)
    return first, await session.submit(second, Dots())


async def test_the_next_envelope_goes_out_with_the_dot() -> None:
    """It spares a round trip: the relay has it before it has said what it thinks of the first message."""
    async with FaultyServer({"stored": [Late(0.05, "250 ok")]}) as server:
        session = await open_session(server.relay())
        second = mail(BOB)
        first = await session.submit(mail(), Dots(), following=lambda: second)
        async with asyncio.timeout(5):
            while "DATA" not in server.commands[-1:] or server.commands.count("DATA") < 2:
                await asyncio.sleep(0)
        dots = Dots()
        then = await session.submit(second, dots)
        await session.quit()

    assert (fates(first), fates(then), then.stale) == ([SENT], [SENT], False)
    assert [received.recipients for received in server.messages] == [[ALICE], [BOB]]
    assert dots.told == [(0,), 250]


async def test_no_early_envelope_without_pipelining() -> None:
    async with FaultyServer(offers=LOCK_STEP) as server:
        session = await open_session(server.relay())
        first, then = await both(session, ALICE, BOB)

    assert (fates(first), fates(then)) == ([SENT], [SENT, SENT])


@pytest.mark.parametrize("reply", ["451 4.3.0 later", "550 5.7.1 no"])
async def test_a_rejected_message_does_not_affect_the_next(reply: str) -> None:
    """Its envelope is on the way already; the relay forgot the refused one's by itself (RFC 5321 section 4.1.1.4)."""
    async with FaultyServer({"dot": [reply]}) as server:
        session = await open_session(server.relay())
        first, then = await both(session, BOB)

    assert fates(first) in ([DEFERRED], [BOUNCED])
    assert (fates(then), then.stale) == ([SENT], False)


@pytest.mark.parametrize(
    ("script", "too_early"),
    [
        ({"stored": [(FORGET, "250 ok")]}, True),
        ({"mail:2": ["503 5.5.1 not now"]}, True),
        ({"mail:2": ["500 5.5.2 what?"]}, True),
        ({"mail:2": [DROP]}, True),
        ({"stored": [("250 ok", DROP)]}, True),
        ({"mail:2": ["421 4.7.0 too many messages"]}, True),
    ],
    ids=["forgets", "503", "500", "hangs up", "hangs up after the first", "421"],
)
async def test_a_relay_without_support_for_early_envelopes_charges_no_attempt(
    script: Any, too_early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second was never begun, and somebody learns to send one at a time."""
    monkeypatch.setattr(smtp_session, "EARLY_SECONDS", 0.3)
    async with FaultyServer(script) as server:
        session = await open_session(server.relay())
        first, then = await both(session, ALICE, BOB)

    assert fates(first) == [SENT]
    assert (then.stale, fates(then), then.relay_trouble, then.too_early) == (True, [UNTRIED, UNTRIED], None, too_early)
    assert (session.usable, len(server.messages)) == (False, 1)


async def test_a_rejected_sender_counts_in_an_early_envelope() -> None:
    async with FaultyServer({"mail:2": ["550 5.1.8 unknown sender"]}) as server:
        session = await open_session(server.relay())
        _, then = await both(session)

    assert (fates(then), then.stale, then.too_early) == ([BOUNCED], False, False)


@pytest.mark.parametrize("death", [DROP, RESET, "421 4.3.2 shutting down"])
async def test_a_connection_lost_at_the_dot_leaves_the_next_transaction_unstarted(death: Mood) -> None:
    async with FaultyServer({"dot": [death]}) as server:
        session = await open_session(server.relay())
        second = mail(BOB)
        first = await session.submit(mail(), Dots(), following=lambda: second)

    assert fates(first) in ([UNCERTAIN], [DEFERRED])
    assert not session.usable


async def test_a_session_at_its_message_limit_sends_no_early_envelope() -> None:
    async with FaultyServer() as server:
        session = await open_session(server.relay(max_messages_per_connection=1))
        asked: list[int] = []
        await session.submit(mail(), Dots(), following=lambda: asked.append(1))  # type: ignore[func-returns-value]

    assert (asked, server.commands.count("DATA")) == ([], 1)


# New connections


async def test_a_new_connection_that_dies_is_not_treated_as_idle() -> None:
    """Else a relay that always leaves after the login would be dialled for ever."""
    async with FaultyServer({"auth": ("235 welcome", DROP)}) as server:
        session = await open_session(server.relay(auth="plain"))
        await left(session, usable=False)
        result = await session.submit(mail(), Dots())

    assert (result.stale, fates(result)) == (False, [DEFERRED])
    assert result.relay_trouble is not None


# The body and its dot


@pytest.mark.parametrize("at", [1000, 65_536, 1_000_000])
@pytest.mark.parametrize(
    ("mood", "expected"), [(DROP, DEFERRED), (RESET, DEFERRED), (HANG, DEFERRED), (("421 bye",), None)]
)
async def test_a_body_that_breaks_off_was_not_delivered(at: int, mood: Mood, expected: Fate | None) -> None:
    """Wherever it is cut: no dot was announced, so it can be sent again without a double."""
    dots = Dots()
    async with FaultyServer({f"body:{at}": mood, "rcpt:2": "550 no"}, small=True) as server:
        session = await open_session(server.relay(timeouts=SOON if mood is HANG else PATIENT))
        result = await session.submit(mail(ALICE, BOB, content=LARGE), dots)

    assert (fates(result)[1], dots.told, session.usable) == (BOUNCED, [], False)
    assert fates(result)[0] in ((expected,) if expected else (UNTRIED, DEFERRED))  # the reset may overtake the 421
    assert (result.verdicts[0].stage, server.messages) == (Stage.BODY, [])


@pytest.mark.parametrize(("reply", "expected"), [("552 5.3.4 too large", BOUNCED), ("451 later", DEFERRED)])
async def test_an_early_reply_stops_the_body(reply: str, expected: Fate) -> None:
    """What the relay says in the middle of the message counts; the rest is not sent."""
    dots = Dots()
    async with FaultyServer({"body:70000": (reply, HANG)}, small=True) as server:
        session = await open_session(server.relay())
        result = await session.submit(mail(content=LARGE), dots)

    assert (fates(result), result.verdicts[0].stage, result.relay_trouble) == ([expected], Stage.BODY, None)
    assert (dots.told, session.usable) == ([], False)


@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
async def test_the_dot_is_journaled_when_the_kernel_has_the_whole_body(tls: Any) -> None:
    """Also what lies below TLS: a crash or loss before the announcement is certainly no delivery."""
    unsent: list[int] = []

    class Watching(Dots):
        def about(self, accepted: Sequence[int]) -> bool:
            unsent.append(upper.get_write_buffer_size() + lower.get_write_buffer_size())
            return True

    async with FaultyServer(tls=tls, small=True) as server:
        session = await open_session(server.relay())
        upper = session._wire.channel._transport
        lower = upper._ssl_protocol._transport if tls != "none" else upper  # type: ignore[attr-defined]
        upper.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        result = await session.submit(mail(content=LARGE[: 78 * 5_000]), Watching())

    assert (fates(result), unsent) == ([SENT], [0])


async def test_a_relay_that_hung_up_gets_no_dot() -> None:
    """The kernel knows it before the event loop, which reads the reply first: without TLS both come at once."""
    dots = Dots()
    async with FaultyServer({"data": ("354 go on", DROP)}, tls="none") as server:
        session = await open_session(server.relay(username=None, password=None))
        result = await session.submit(mail(), dots)

    assert (fates(result), result.verdicts[0].stage, dots.told) == ([DEFERRED], Stage.BODY, [])


async def test_the_connection_is_closed_when_the_lease_is_lost() -> None:
    """The dot does not go out; whoever holds the lease now sends it."""
    dots = Dots(lease_is_ours=False)
    async with FaultyServer() as server:
        session = await open_session(server.relay())
        result = await session.submit(mail(), dots)

    assert (fates(result), dots.told, session.usable) == ([UNTRIED], [(0,)], False)
    assert (server.messages, result.relay_trouble) == ([], None)


async def test_a_failing_journal_does_not_lose_the_reply() -> None:
    """A journal on a full disk must not turn a delivered mail into an uncertain one."""

    class Broken(Dots):
        def got(self, reply: Reply) -> None:
            raise OSError(28, "no space left on device")

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with FaultyServer() as server:
        session = await open_session(server.relay())
        result = await session.submit(mail(), Broken())

    assert (fates(result), session.usable) == ([SENT], False)


@pytest.mark.parametrize("stage", ["mail", "data", "body:0", "stored"])
async def test_a_cancelled_transaction_ends_its_connection(stage: str) -> None:
    """Its replies would be taken for the next one's."""
    async with FaultyServer({stage: HANG}, small=True) as server:
        session = await open_session(server.relay())
        sending = asyncio.create_task(session.submit(mail(content=LARGE), Dots()))
        await asyncio.wait([sending], timeout=0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

        assert not session.usable


async def test_an_unsendable_address_ends_the_connection() -> None:
    """An address with a line break is a fault of ours, and nothing of it is written."""
    async with FaultyServer() as server:
        session = await open_session(server.relay())
        with pytest.raises(ValueError, match="not an address"):
            await session.submit(mail("a@b.test>\r\nRCPT TO:<c@d.test"), Dots())

    assert not session.usable
    assert not any(command.startswith("MAIL") for command in server.commands)


async def test_a_relay_that_floods_replies_is_disconnected() -> None:
    """What it says unasked must not fill the memory."""
    async with FaultyServer({"mail": b"250 ok\r\n" * 5000}) as server:
        session = await open_session(server.relay())
        result = await session.submit(mail(), Dots())
        await left(session, usable=False)

    assert result.verdicts[0].fate is not SENT
    assert not session.usable


@pytest.mark.parametrize("mood", [None, HANG, DROP, RESET, "500 no", "421 no"])
async def test_quit_takes_no_longer_than_its_timeout(mood: Mood, monkeypatch: pytest.MonkeyPatch) -> None:
    """QUIT is a courtesy."""
    monkeypatch.setattr("mailsvc.smtp.session.QUIT_SECONDS", 0.1)
    async with FaultyServer({"quit": mood}) as server:
        session = await open_session(server.relay())
        await session.quit()

    assert (session.usable, server.commands[-1]) == (False, "QUIT")


async def test_silence_of_a_port_that_waits_for_tls_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """STARTTLS against port 465: each side waits for the other; a second connection finds out."""
    monkeypatch.setattr(connect, "SILENCE_SECONDS", 0.05)
    async with FaultyServer(tls="implicit") as server:
        seen = await trouble(server, tls="starttls")

    assert seen.stage is Stage.STARTTLS
    assert "implicit" in seen.text and "smtps://" in seen.text


async def test_a_slow_greeting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its greeting comes late on every connection, also on the one that asks for TLS."""
    monkeypatch.setattr(connect, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(connect, "HANDSHAKE_SECONDS", 0.1)
    async with FaultyServer({"greeting": Late(0.5, "220 at last")}) as server:
        session = await open_session(server.relay())
        session.abort()


@pytest.mark.parametrize("name", ["app.example.test", "[192.0.2.1]"])
async def test_ehlo_sends_the_configured_name(name: str) -> None:
    """Before and after STARTTLS; some relays refuse generic names."""
    async with FaultyServer() as server:
        session = await open_session(server.relay(ehlo=name))
        session.abort()

    assert [command for command in server.commands if command.startswith("EHLO")] == [f"EHLO {name}"] * 2


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("app.example.test", "app.example.test"),
        ("app", "[127.0.0.1]"),
        ("localhost.localdomain", "[127.0.0.1]"),
        ("pod-7d9f.local", "[127.0.0.1]"),
        ("under_score.example.test", "[127.0.0.1]"),
    ],
)
async def test_ehlo_sends_the_host_name_or_the_address_by_default(
    monkeypatch: pytest.MonkeyPatch, host: str, said: str
) -> None:
    """The host's own name where it is a full one, else the address of our end."""
    monkeypatch.setattr("socket.gethostname", lambda: host)
    async with FaultyServer() as server:
        session = await open_session(server.relay(ehlo=None))
        session.abort()

    assert server.commands[0] == f"EHLO {said}"


async def test_a_forbidden_address_is_not_dialled() -> None:
    """A stranger's relay must not reach into our network."""
    async with FaultyServer() as server:
        seen = await trouble(server, targets="public")

    assert (seen.stage, server.connections) == (Stage.CONNECT, 0)
    assert "MAILSVC_RELAY_TARGETS" in seen.text
