"""One transaction byte by byte: what is written, and what every possible answer means for each recipient."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsvc.domain.attempt import Fate, Reply, Stage
from mailsvc.smtp import steps
from mailsvc.smtp.commands import Capabilities, Submission
from mailsvc.smtp.dotstuffing import CHUNK, require_crlf, stuffed
from mailsvc.smtp.recipient_limit import is_too_many
from mailsvc.smtp.replies import ReplyParser
from mailsvc.smtp.transaction import Broken, Transaction, TransactionEnd

ALICE, BOB, CAROL = "alice@example.test", "bob@example.test", "carol@example.test"
MAIL = Submission("shop@app.test", (ALICE, BOB), b"Subject: Hi\r\n\r\nHello\r\n")
EVERYTHING = ("PIPELINING", "SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN")
SENT, BOUNCED, DEFERRED, UNTRIED, UNCERTAIN = Fate.SENT, Fate.BOUNCED, Fate.DEFERRED, Fate.UNTRIED, Fate.UNCERTAIN


def offering(*lines: str) -> Capabilities:
    return Capabilities.of(Reply(250, None, "\n".join(("relay.test", *lines))))


@dataclass
class Talk:
    """A relay that says these bytes, cut into pieces, and then leaves."""

    pieces: Iterable[bytes]
    lease_is_ours: bool = True
    interruption: Broken | None = None  # while the body is sent
    written: list[bytes] = field(default_factory=list)
    accepted: tuple[int, ...] | None = None

    def run(self, submission: Submission = MAIL, *offers: str, reset_first: bool = False) -> TransactionEnd:
        came: deque[Reply] = deque()
        talk = Transaction(submission, offering(*offers), reset_first=reset_first).converse(came)
        replies = self._replies()
        try:
            step = next(talk)
            while True:
                try:
                    answer = self._answer(step, came, replies)
                except Broken as broken:
                    step = talk.throw(broken)
                else:
                    step = talk.send(answer)
        except StopIteration as end:
            assert isinstance(end.value, TransactionEnd)
            return end.value

    def _replies(self) -> Iterator[list[Reply]]:
        parser = ReplyParser()
        for piece in self.pieces:
            yield parser.feed(piece)
            if parser.flaw is not None:
                raise Broken(parser.flaw)
        raise Broken("connection lost")

    def _answer(self, step: steps.Step, came: deque[Reply], replies: Iterator[list[Reply]]) -> bool | None:
        match step:
            case steps.Write(data):
                self.written.append(data)
            case steps.Expect():
                while not came:
                    came.extend(next(replies))
            case steps.Content(accepted):
                if self.interruption:
                    raise self.interruption
                self.accepted = accepted
                return self.lease_is_ours
        return None


def said(*replies: str) -> bytes:
    return "".join(f"{reply}\r\n" for reply in replies).encode()


def fates(finding: TransactionEnd) -> list[Fate]:
    return [verdict.fate for verdict in finding.verdicts]


# What is written


def test_pipelined_commands_go_out_in_one_write() -> None:
    """RFC 2920: MAIL, every RCPT and DATA together, with what the relay understands."""
    talk = Talk([said("250 ok", "250 ok", "250 ok", "354 go on", "250 taken")])
    finding = talk.run(
        Submission("shop@app.test", (ALICE, BOB), b"x\r\n", envid="msg_1+=", notify_success=True), *EVERYTHING
    )

    assert b"".join(talk.written) == (
        b"MAIL FROM:<shop@app.test> SIZE=3 RET=HDRS ENVID=msg_1+2B+3D\r\n"
        b"RCPT TO:<alice@example.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;alice@example.test\r\n"
        b"RCPT TO:<bob@example.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;bob@example.test\r\n"
        b"DATA\r\n"
    )
    assert len(talk.written) == 1
    assert (fates(finding), finding.in_step, finding.needs_reset, talk.accepted) == ([SENT] * 2, True, False, (0, 1))


def test_without_pipelining_each_command_waits_for_its_reply() -> None:
    """Lock-step, and nothing is asked that was not offered."""
    talk = Talk([said("250 ok", "250 ok", "250 ok", "354 go on", "250 taken")])
    talk.run(MAIL)

    assert talk.written == [
        b"MAIL FROM:<shop@app.test>\r\n",
        b"RCPT TO:<alice@example.test>\r\n",
        b"RCPT TO:<bob@example.test>\r\n",
        b"DATA\r\n",
    ]


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)])
def test_a_session_that_needs_it_is_reset_first(offers: tuple[str, ...]) -> None:
    """RSET comes before MAIL, and its reply is not taken for MAIL's."""
    talk = Talk([said("250 reset", "250 ok", "550 no", "250 ok", "354 go on", "250 taken")])

    assert fates(talk.run(MAIL, *offers, reset_first=True)) == [BOUNCED, SENT]
    assert b"".join(talk.written).startswith(b"RSET\r\nMAIL FROM:")


def test_in_lock_step_a_refused_sender_ends_it() -> None:
    """No RCPT and no DATA after a refused MAIL."""
    talk = Talk([said("550 5.7.1 no")])

    assert fates(talk.run(MAIL)) == [BOUNCED, BOUNCED]
    assert talk.written == [b"MAIL FROM:<shop@app.test>\r\n"]


def test_the_null_sender_is_empty() -> None:
    """Bounces come from nobody (RFC 5321 section 4.5.5)."""
    talk = Talk([])
    talk.run(Submission("", (ALICE,), b"x\r\n"))

    assert talk.written == [b"MAIL FROM:<>\r\n"]


def test_smtputf8_is_declared_only_where_needed() -> None:
    """A recipient beyond ASCII needs it, and gets its ORCPT in RFC 6533's form."""
    talk = Talk([])
    talk.run(Submission("shop@app.test", ("jörg+a@example.test",), b"x\r\n"), *EVERYTHING)

    assert talk.written[0].split(b"\r\n")[:2] == [
        b"MAIL FROM:<shop@app.test> SIZE=3 SMTPUTF8 RET=HDRS",
        "RCPT TO:<jörg+a@example.test> NOTIFY=FAILURE,DELAY ORCPT=utf-8;jörg\\x{2B}a@example.test".encode(),
    ]


def test_eight_bit_content_is_declared() -> None:
    """RFC 6152."""
    talk = Talk([])
    talk.run(Submission("shop@app.test", (ALICE,), b"\xe4\r\n", eight_bit=True, dsn=False), *EVERYTHING)

    assert talk.written[0].startswith(
        b"MAIL FROM:<shop@app.test> SIZE=3 BODY=8BITMIME\r\nRCPT TO:<alice@example.test>\r\n"
    )


def test_a_quoted_local_part_may_hold_blanks_and_brackets() -> None:
    """RFC 5321 section 4.1.2: the intake takes such addresses, so they must be sayable."""
    talk = Talk([said("250 ok", "250 ok", "354 go on", "250 taken")])
    finding = talk.run(Submission("shop@app.test", ('"j <d>"@example.test',), b"x\r\n"), "PIPELINING")

    assert fates(finding) == [SENT]
    assert b'RCPT TO:<"j <d>"@example.test>\r\n' in talk.written[0]


@pytest.mark.parametrize(
    "address",
    [
        "a@b.test>\r\nRCPT TO:<c@d.test",
        "a@b.test> SIZE=1",
        "a b@c.test",
        "a@b.test\n",
        "a@b.test\0",
        "a\x85b@c.test",
        "a\u2028b@c.test",
        '"a\r\nb"@c.test',
        '"a"b"@c.test',
        '"a\\"@c.test',
        '"a"@b.test> x',
        "<a@b.test>",
        "",
    ],
)
def test_an_address_that_could_end_its_command_is_never_sent(address: str) -> None:
    """The last border before the wire: such an address is a fault of ours, and nothing is written."""
    talk = Talk([said("250 ok")])

    with pytest.raises(ValueError, match="not an address"):
        talk.run(Submission("shop@app.test", (ALICE, address), b"x\r\n"), *EVERYTHING)
    assert talk.written == []


@given(st.text())
def test_no_address_makes_a_second_command(address: str) -> None:
    """Whatever the text, it is refused or stays within one line and one pair of brackets."""
    try:
        talk = Talk([])
        talk.run(Submission("shop@app.test", (address,), b"x\r\n"), "PIPELINING", "SMTPUTF8")
    except ValueError:
        return
    assert talk.written[0].count(b"\r\n") == talk.written[0].count(b"\n") == talk.written[0].count(b"\r") == 3


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\n.\r\n", b"\n.\n", b"a\r"])
def test_content_with_a_bare_line_break_is_never_sent(content: bytes) -> None:
    """SMTP smuggling: some servers end a message at LF.LF."""
    with pytest.raises(ValueError, match="bare"):
        Talk([]).run(Submission("shop@app.test", (ALICE,), content))


# Known without asking


@pytest.mark.parametrize(
    ("submission", "offers", "text"),
    [
        (
            Submission("a@b.test", (ALICE,), b"12345678\r\n"),
            ("SIZE 9",),
            "5.3.4 the message has 10 bytes, the relay takes 9",
        ),
        (Submission("a@b.test", (ALICE,), b"x\r\n", smtputf8=True), (), "5.6.7"),
        (Submission("ä@b.test", (ALICE,), b"x\r\n"), (), "5.6.7"),
        (Submission("a@b.test", (ALICE,), b"\xe4\r\n", eight_bit=True), (), "5.6.3"),
    ],
)
def test_a_message_beyond_the_capabilities_of_the_relay_bounces_unsent(
    submission: Submission, offers: tuple[str, ...], text: str
) -> None:
    """Nothing is written, and the session stays good."""
    talk = Talk([])
    finding = talk.run(submission, *offers)

    assert (fates(finding), talk.written, finding.in_step, finding.unanswered) == ([BOUNCED], [], True, False)
    assert finding.verdicts[0].text.startswith(text)


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)])
def test_only_the_recipient_that_needs_smtputf8_bounces(offers: tuple[str, ...]) -> None:
    """The others are not punished for their neighbour."""
    talk = Talk([said("250 ok", "250 ok", "550 no", "354 go on", "250 taken")])
    finding = talk.run(Submission("shop@app.test", (ALICE, "ä@b.test", BOB), b"x\r\n"), *offers)

    assert (fates(finding), talk.accepted) == ([SENT, BOUNCED, BOUNCED], (0,))
    assert [v.stage for v in finding.verdicts] == [Stage.EOM, Stage.MAIL, Stage.RCPT]


@pytest.mark.parametrize("line", ["SIZE", "SIZE 0", "SIZE ²", "SIZE " + "9" * 5000, "SIZE x", "size"])
def test_a_missing_zero_or_invalid_size_is_no_limit(line: str) -> None:
    """RFC 1870: 0 means none is known; nonsense must not stop the mail."""
    assert offering(line).size is None


def test_capabilities_are_read_in_any_case_and_in_the_old_syntax() -> None:
    """`AUTH=` is how some servers repeat it for old clients."""
    read = offering("pipelining", "size 10", "8bitmime", "auth plain", "AUTH=LOGIN", "StartTLS", "Dsn", "x-other")

    assert (read.pipelining, read.size, read.eight_bit, read.starttls, read.dsn) == (True, 10, True, True, True)
    assert read.auth == {"PLAIN", "LOGIN"}


# Whose fault? (two recipients each)

OK3 = ("250 ok", "250 ok", "250 ok")
TABLE: list[tuple[str, Sequence[str], list[Fate], Stage, bool]] = [
    # name, what the relay says before it leaves, fates, stage of the last verdict, usable afterwards
    ("all is well", (*OK3, "354 go on", "250 ok"), [SENT, SENT], Stage.EOM, True),
    ("another 2xx to the dot", (*OK3, "354 go on", "200 ok"), [SENT, SENT], Stage.EOM, True),
    ("4xx to MAIL", ("451 4.3.0 later", "503 x", "503 x", "503 x"), [DEFERRED, DEFERRED], Stage.MAIL, True),
    ("5xx to MAIL", ("550 5.7.1 no", "503 x", "503 x", "503 x"), [BOUNCED, BOUNCED], Stage.MAIL, True),
    ("4xx and 5xx to RCPT", ("250 ok", "450 later", "550 no", "554 none"), [DEFERRED, BOUNCED], Stage.RCPT, True),
    ("one RCPT refused", ("250 ok", "250 ok", "550 no", "354 go on", "250 ok"), [SENT, BOUNCED], Stage.RCPT, True),
    ("4xx to DATA", (*OK3, "451 later"), [DEFERRED, DEFERRED], Stage.DATA, True),
    ("5xx to DATA", (*OK3, "554 no"), [BOUNCED, BOUNCED], Stage.DATA, True),
    ("4xx to the dot", (*OK3, "354 go on", "451 later"), [DEFERRED, DEFERRED], Stage.EOM, True),
    ("5xx to the dot", (*OK3, "354 go on", "554 spam"), [BOUNCED, BOUNCED], Stage.EOM, True),
    ("421 to MAIL", ("421 bye",), [UNTRIED, UNTRIED], Stage.MAIL, False),
    ("421 to the first RCPT", ("250 ok", "421 bye"), [UNTRIED, UNTRIED], Stage.RCPT, False),
    ("421 to the second RCPT", ("250 ok", "550 no", "421 bye"), [BOUNCED, UNTRIED], Stage.RCPT, False),
    ("421 after an accepted RCPT", ("250 ok", "250 ok", "421 bye"), [UNTRIED, UNTRIED], Stage.RCPT, False),
    ("421 to DATA", (*OK3, "421 bye"), [UNTRIED, UNTRIED], Stage.DATA, False),
    ("421 to the dot", (*OK3, "354 go on", "421 bye"), [DEFERRED, DEFERRED], Stage.EOM, False),
    ("authentication wanted at MAIL", ("530 5.7.0 log in",), [UNTRIED, UNTRIED], Stage.MAIL, False),
    ("lost at MAIL", (), [DEFERRED, DEFERRED], Stage.MAIL, False),
    ("lost at RCPT", ("250 ok", "550 no"), [BOUNCED, DEFERRED], Stage.RCPT, False),
    ("lost at DATA", OK3, [DEFERRED, DEFERRED], Stage.DATA, False),
    ("lost after the dot", (*OK3, "354 go on"), [UNCERTAIN, UNCERTAIN], Stage.EOM, False),
    (
        "lost after the dot, one refused",
        ("250 ok", "550 no", "250 ok", "354 x"),
        [BOUNCED, UNCERTAIN],
        Stage.EOM,
        False,
    ),
    ("garbage after the dot", (*OK3, "354 go on", "hello"), [UNCERTAIN, UNCERTAIN], Stage.EOM, False),
    ("3xx to the dot", (*OK3, "354 go on", "354 more"), [UNCERTAIN, UNCERTAIN], Stage.EOM, False),
    ("1xx to MAIL", ("150 wait",), [DEFERRED, DEFERRED], Stage.MAIL, False),
    ("3xx to MAIL", ("354 go on",), [DEFERRED, DEFERRED], Stage.MAIL, False),
    ("3xx to RCPT", ("250 ok", "354 go on"), [DEFERRED, DEFERRED], Stage.RCPT, False),
    ("2xx to DATA", (*OK3, "250 ok"), [DEFERRED, DEFERRED], Stage.DATA, False),
    ("354 for nobody", ("250 ok", "550 no", "550 no", "354 go on"), [BOUNCED, BOUNCED], Stage.RCPT, False),
    ("354 after a refused MAIL", ("550 no", "250 ok", "250 ok", "354 go on"), [BOUNCED, BOUNCED], Stage.MAIL, False),
    ("too many", ("250 ok", "250 ok", "452 4.5.3 x", "354 x", "250 ok"), [SENT, UNTRIED], Stage.RCPT, True),
    ("too many by habit", ("250 ok", "250 ok", "552 too many", "354 x", "250 ok"), [SENT, UNTRIED], Stage.RCPT, True),
    ("too many at the first", ("250 ok", "452 4.5.3 x", "452 x", "554 none"), [DEFERRED, DEFERRED], Stage.RCPT, True),
    ("no space at RCPT", ("250 ok", "250 ok", "452 4.3.1 x", "354 x", "250 ok"), [SENT, UNTRIED], Stage.RCPT, True),
    ("mailbox full", ("250 ok", "250 ok", "552 5.2.2 full", "354 x", "250 ok"), [SENT, BOUNCED], Stage.RCPT, True),
]
NAMES = [row[0] for row in TABLE]


@pytest.mark.parametrize(("name", "replies", "expected", "stage", "usable"), TABLE, ids=NAMES)
def test_every_reply_is_classified_by_whose_fault_it_is(
    name: str, replies: Sequence[str], expected: list[Fate], stage: Stage, usable: bool
) -> None:
    """DESIGN, Whose fault?, with PIPELINING."""
    finding = Talk([said(*replies)]).run(MAIL, "PIPELINING")

    assert (fates(finding), finding.verdicts[-1].stage, finding.in_step) == (expected, stage, usable)


@pytest.mark.parametrize(("name", "replies", "expected", "stage", "usable"), TABLE, ids=NAMES)
def test_lock_step_classifies_replies_as_pipelining_does(
    name: str, replies: Sequence[str], expected: list[Fate], stage: Stage, usable: bool
) -> None:
    """Whether commands go out together is no matter for the verdicts."""
    pipelined = Talk([said(*replies)]).run(MAIL, "PIPELINING")
    lock_step = Talk([said(*replies)]).run(MAIL)

    assert lock_step.verdicts == pipelined.verdicts
    assert lock_step.in_step or not usable


@pytest.mark.parametrize(
    ("replies", "unanswered"),
    [
        (("421 bye",), True),
        (("250 reset", "421 bye"), True),
        (("500 what?",), True),
        ((), True),
        (("250 reset",), True),
        (("250 reset", "250 ok"), False),
        (("250 reset", "250 ok", "421 bye"), False),
    ],
)
def test_a_connection_lost_before_the_reply_to_mail_is_unanswered(replies: Sequence[str], unanswered: bool) -> None:
    """On a reused connection that means that it was dead: nobody is charged (the session decides)."""
    for offers in ((), ("PIPELINING",)):
        finding = Talk([said(*replies)]).run(MAIL, *offers, reset_first=True)
        assert (finding.unanswered, finding.in_step) == (unanswered, False)


def test_a_timeout_is_not_a_dead_connection() -> None:
    """Who does not answer in time may be busy with what we said."""
    talk = Transaction(MAIL, offering("PIPELINING")).converse(deque())
    next(talk)
    talk.send(None)
    with pytest.raises(StopIteration) as end:
        talk.throw(Broken("no answer in time", timed_out=True))

    assert (fates(end.value.value), end.value.value.unanswered) == ([DEFERRED, DEFERRED], False)


# The body and its dot


@pytest.mark.parametrize(
    ("interruption", "expected"),
    [
        (Broken("connection lost"), DEFERRED),
        (Broken("no answer in time", timed_out=True), DEFERRED),
        (Broken("early", Reply(451, None, "later")), DEFERRED),
        (Broken("early", Reply(552, "5.3.4", "too large")), BOUNCED),
        (Broken("early", Reply(250, None, "ok")), DEFERRED),
        (Broken("early", Reply(421, None, "bye")), UNTRIED),
    ],
)
def test_an_interrupted_body_was_not_delivered(interruption: Broken, expected: Fate) -> None:
    """Without its dot there was no message; whoever was refused before stays refused."""
    talk = Talk([said("250 ok", "250 ok", "550 no", "354 go on")], interruption=interruption)
    finding = talk.run(MAIL, "PIPELINING")

    assert (fates(finding), finding.verdicts[0].stage, finding.in_step) == ([expected, BOUNCED], Stage.BODY, False)
    assert talk.accepted is None


def test_no_dot_is_sent_without_the_lease() -> None:
    """Whoever holds the lease now will send it; nothing is charged."""
    talk = Talk([said("250 ok", "550 no", "250 ok", "354 go on")], lease_is_ours=False)
    finding = talk.run(MAIL, "PIPELINING")

    assert (fates(finding), finding.in_step, finding.broken) == ([BOUNCED, UNTRIED], False, None)


@given(st.lists(st.sampled_from([b".", b"\r\n", b"a", b"..", b"\r\n."]), max_size=40).map(b"".join), st.integers(1, 9))
@example(b"", 5)
@example(b"\r\n.\r\n", 2)
def test_stuffing_is_undone_by_the_receiver(content: bytes, chunk: int) -> None:
    """RFC 5321 section 4.5.2, wherever the pieces are cut; only the last CRLF may be added."""
    wire = b"".join(stuffed(content, chunk=chunk))

    received = (b"\r\n" + wire).replace(b"\r\n.", b"\r\n")[2:]
    assert received == (content if content.endswith(b"\r\n") else content + b"\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + wire


def test_a_large_content_is_sent_in_pieces_without_a_copy() -> None:
    """25 MB are never held twice."""
    content = b"x" * 76 + b"\r\n"
    pieces = list(stuffed(content * 10_000))

    assert all(isinstance(piece, memoryview) and len(piece) <= CHUNK for piece in pieces)


def test_a_dot_in_every_line_costs_no_more_than_its_length() -> None:
    """A hostile content must not hold the event loop up."""
    content = b"\r\n." * 3_000_000

    assert sum(map(len, stuffed(content))) == len(content) + 3_000_000 + 2


@given(st.binary())
def test_content_with_bare_cr_lf_or_nul_is_rejected(content: bytes) -> None:
    """CR and LF are told apart from CRLF in any bytes."""
    rest = content.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest or b"\0" in rest:
        with pytest.raises(ValueError):
            require_crlf(content)
    else:
        require_crlf(content)


# Replies


@given(st.sampled_from(TABLE), st.data())
def test_replies_are_parsed_alike_however_the_bytes_are_split(
    row: tuple[str, Sequence[str], object, object, object], data: st.DataObject
) -> None:
    """The same bytes in one piece or in any other number give the same finding."""
    stream = said(*row[1])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert Talk(pieces).run(MAIL, "PIPELINING") == Talk([stream]).run(MAIL, "PIPELINING")


@given(st.binary(max_size=200), st.sampled_from([b"", said("250 ok"), said(*OK3), said(*OK3, "354 go on")]))
@example(b"250 ok", b"")
@example(b" 50 ok\r\n", said(*OK3, "354 go on"))
@example(b"250-ok\r\n550 no\r\n", said(*OK3, "354 go on"))
def test_garbage_never_counts_as_sent(garbage: bytes, before: bytes) -> None:
    """Whatever is out of form ends the session, with a verdict for everybody."""
    replies = ReplyParser().feed(before + garbage)
    finding = Talk([before + garbage]).run(MAIL, "PIPELINING")

    assert len(finding.verdicts) == 2
    if len(replies) < 5 or replies[4].code // 100 != 2:
        assert SENT not in fates(finding)


def test_a_reply_that_came_before_garbage_counts() -> None:
    """The message was taken: sending it again would double it."""
    talk = Talk([said(*OK3, "354 go on", "250 taken", "!!!")])

    assert fates(talk.run(MAIL, "PIPELINING")) == [SENT, SENT]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"250 ok\r\n", Reply(250, None, "ok")),
        (b"250\r\n", Reply(250, None, "")),
        (b"250 ok\n", Reply(250, None, "ok")),
        (b"550 5.1.1 unknown\r\n", Reply(550, "5.1.1", "unknown")),
        (b"550 5.1.1\r\n", Reply(550, "5.1.1", "")),
        (b"550-5.1.1 not\r\n550 5.1.1  known\r\n", Reply(550, "5.1.1", "not\nknown")),
        (b"550 2.1.1 unknown\r\n", Reply(550, None, "2.1.1 unknown")),
        (b"550 5.1.1000 unknown\r\n", Reply(550, None, "5.1.1000 unknown")),
        (b"250 \xff\r\n", Reply(250, None, "\ufffd")),
        (b"250-a\r\n250-b\r\n250 c\r\n", Reply(250, None, "a\nb\nc")),
    ],
)
def test_replies_are_parsed_into_code_enhanced_code_and_text(line: bytes, expected: Reply) -> None:
    """RFC 5321 section 4.2, RFC 2034 section 4."""
    assert ReplyParser().feed(line) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        b" 50 ok\r\n",
        b"25 ok\r\n",
        b"150 ok\r\n",
        b"600 ok\r\n",
        b"2500 ok\r\n",
        b"250_ok\r\n",
        b"250-a\r\n251 b\r\n",
        b"25\xd9\xa0 ok\r\n",
        b"250 a\rb\r\n",
        b"250 " + b"x" * 8200 + b"\r\n",
        b"2" * 9000,
        b"250-" + b"x" * 1000 + b"\r\n" + (b"250-" + b"x" * 1000 + b"\r\n") * 40,
    ],
)
def test_a_malformed_reply_is_an_error(line: bytes) -> None:
    """Bounded and strict: a flaw, and nothing that comes later is read."""
    parser = ReplyParser()

    assert parser.feed(line) == []
    assert parser.flaw
    assert parser.feed(b"250 ok\r\n") == []


def test_too_many_recipients_requires_an_accepted_one() -> None:
    """Else the same recipients would be tried again at once, for ever."""
    assert not is_too_many(Reply(452, "4.5.3", "too many"), accepted=0)
    assert is_too_many(Reply(452, "4.5.3", "too many"), accepted=1)
    assert not is_too_many(Reply(550, "5.1.1", "unknown"), accepted=1)


# Transactions that are opened together with the dot before


def opened(*replies: str, interruption: Broken | None = None) -> TransactionEnd:
    """A transaction whose envelope went out early, and what came of it."""
    transaction = Transaction(MAIL, offering("PIPELINING"))
    assert transaction.open_early().endswith(b"DATA\r\n")
    talk = transaction.converse(deque(ReplyParser().feed(said(*replies))))
    try:
        step = next(talk)
        while True:
            assert not isinstance(step, steps.Write)  # everything was said already
            if isinstance(step, steps.Expect):
                step = talk.throw(interruption or Broken("connection lost"))
            else:
                step = talk.send(True)
    except StopIteration as end:
        assert isinstance(end.value, TransactionEnd)
        return end.value


def test_an_early_envelope_is_not_sent_again() -> None:
    finding = opened("250 ok", "250 ok", "550 5.1.1 no", "354 go", "250 taken")

    assert (fates(finding), finding.in_step, finding.misunderstood) == ([SENT, BOUNCED], True, False)


@pytest.mark.parametrize("offers", [("SIZE 10", "PIPELINING"), ()], ids=["too large", "no pipelining"])
def test_no_envelope_is_sent_early_without_pipelining_or_beyond_the_size_limit(offers: tuple[str, ...]) -> None:
    assert Transaction(MAIL, offering(*offers)).open_early() == b""


@pytest.mark.parametrize(
    ("replies", "interruption"),
    [
        (["503 5.5.1 bad sequence"], None),
        (["502 not implemented"], None),
        ([], Broken("no answer in time", timed_out=True)),
    ],
    ids=["out of sequence", "unknown", "silence"],
)
def test_a_relay_that_rejects_an_early_envelope_costs_no_attempt(
    replies: list[str], interruption: Broken | None
) -> None:
    """The same words, not said early, would bounce or defer the message."""
    finding = opened(*replies, interruption=interruption)

    assert (finding.unanswered, finding.misunderstood, finding.in_step) == (True, True, False)


def test_a_connection_lost_before_the_reply_to_an_early_envelope_is_not_blamed_on_it() -> None:
    finding = opened()

    assert (finding.unanswered, finding.misunderstood) == (True, False)


def test_a_timeout_after_the_first_reply_defers_the_message() -> None:
    finding = opened("250 ok", interruption=Broken("no answer in time", timed_out=True))

    assert (fates(finding), finding.unanswered, finding.misunderstood) == ([DEFERRED, DEFERRED], False, False)
