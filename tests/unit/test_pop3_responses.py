"""What POP3 servers say: numbers, unique-ids, capabilities, and what each refusal means."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc.mailaccess.errors import (
    AuthRefused,
    CommandRefused,
    LoginDelayed,
    MailAccessError,
    MailboxInUse,
    PermanentlyUnavailable,
    ProtocolViolation,
    Stage,
    TemporarilyUnavailable,
    UnsendableArgument,
    readable,
)
from mailsvc.pop3.capabilities import Capabilities
from mailsvc.pop3.commands import command
from mailsvc.pop3.responses import parse_scan, parse_stat, parse_status, parse_uid, refusal


@pytest.mark.parametrize(
    ("stage", "said", "kind", "code"),
    [
        (Stage.LOGIN, b"-ERR [AUTH] Authentication failed.", AuthRefused, "AUTH"),
        (Stage.LOGIN, b"-ERR [IN-USE] Do you have another POP session running?", MailboxInUse, "IN-USE"),
        (Stage.LOGIN, b"-ERR [in-use] busy", MailboxInUse, "IN-USE"),
        (Stage.LOGIN, b"-ERR [LOGIN-DELAY] minimum time between mail checks violation", LoginDelayed, "LOGIN-DELAY"),
        (Stage.LOGIN, b"-ERR [SYS/TEMP] Temporary authentication failure", TemporarilyUnavailable, "SYS/TEMP"),
        (
            Stage.LOGIN,
            b"-ERR [SYS/PERM] Your account is not enabled for POP access",
            PermanentlyUnavailable,
            "SYS/PERM",
        ),
        (Stage.LOGIN, b"-ERR [SYS/OTHER] later", TemporarilyUnavailable, "SYS/OTHER"),
        (Stage.LOGIN, b"-ERR [AUTH/EXPIRED] password expired", AuthRefused, "AUTH/EXPIRED"),
        (Stage.LOGIN, b"-ERR [UNHEARD-OF] no", AuthRefused, "UNHEARD-OF"),
        (Stage.LOGIN, b"-ERR Logon failure: unknown user name or bad password.", AuthRefused, None),
        (Stage.LOGIN, b"-ERR account temporarily locked after too many failed logins", AuthRefused, None),
        (Stage.LOGIN, b"-ERR maildrop already locked", MailboxInUse, None),
        (Stage.LOGIN, b"-ERR Server Unavailable. 21", TemporarilyUnavailable, None),
        (Stage.LOGIN, b"-ERR please try again later", TemporarilyUnavailable, None),
        (Stage.LOGIN, b"-ERR", AuthRefused, None),
        (Stage.GREETING, b"-ERR too many connections", TemporarilyUnavailable, None),
        (Stage.GREETING, b"-ERR [SYS/PERM] closed for good", PermanentlyUnavailable, "SYS/PERM"),
        (Stage.FETCH, b"-ERR no such message", CommandRefused, None),
        (Stage.FETCH, b"-ERR [SYS/TEMP] disk error", TemporarilyUnavailable, "SYS/TEMP"),
        (Stage.LIST, b"-ERR can't open mailbox, try again later", TemporarilyUnavailable, None),
        (Stage.QUIT, b"-ERR some deleted messages not removed", CommandRefused, None),
        (Stage.QUIT, b"-ERR [broken", CommandRefused, None),
    ],
)
def test_a_refusal_says_what_to_do(stage: Stage, said: bytes, kind: type[MailAccessError], code: str | None) -> None:
    """By its code; without one a login's refusal counts as one of the credentials unless it clearly is not."""
    error = refusal(stage, parse_status(said, stage, takes_challenge=False))

    assert (type(error), error.stage, error.code) == (kind, stage, code)


def test_an_error_shows_stage_code_and_words() -> None:
    """Control characters can't reach a log or a terminal, and the text is short."""
    status = parse_status(b"-ERR [AUTH] no\x1b[31m \0\r way \xff " + b"x" * 900, Stage.LOGIN, takes_challenge=False)
    error = refusal(Stage.LOGIN, status)

    assert str(error).startswith(r"login: [AUTH] no\x1b[31m \x00\r way \xff xxx")
    assert str(error).isprintable() and len(str(error)) < 600


@pytest.mark.parametrize(
    ("parse", "said", "expected"),
    [
        (parse_stat, b"2 320", (2, 320)),
        (parse_stat, b"0 0 octets", (0, 0)),
        (parse_scan, b"1 120", (1, 120)),
        (parse_scan, b" 12   0 more", (12, 0)),
        (parse_scan, b"2147483647 9223372036854775807", (2147483647, 9223372036854775807)),
        (parse_uid, b"1 whqtswO00WBw418f9t5JxYwZ", (1, "whqtswO00WBw418f9t5JxYwZ")),
        (parse_uid, b"2  a ", (2, "a")),
        (parse_uid, b"3 ni\xe9", (3, r"ni\xe9")),
        (parse_uid, b"4 " + b"u" * 255, (4, "u" * 255)),
    ],
)
def test_what_is_in_form_is_read(parse: Callable[[bytes], object], said: bytes, expected: object) -> None:
    assert parse(said) == expected


@pytest.mark.parametrize(
    ("parse", "said"),
    [
        *[(parse_stat, said) for said in (b"", b"2", b"-1 5", b"1 -5", b"a b", b"2147483648 1", b"1 " + b"9" * 40)],
        *[(parse_stat, said) for said in (b"1,2 3", "١ ٢".encode(), b"1\x002 3", b"1.0 2")],
        *[(parse_scan, said) for said in (b"", b"0 1", b"-1 5", b"1", b"1 -1", b"1 1e3", b"2147483648 1", b"x 1")],
        *[(parse_scan, b"1 9223372036854775808"), (parse_scan, b"1 " + b"9" * 1000)],
        *[(parse_uid, said) for said in (b"", b"1", b"1 ", b"0 a", b"1 a b", b"1 a\0", b"x a", b"1 " + b"u" * 256)],
    ],
)
def test_numbers_out_of_form_are_not_guessed_at(parse: Callable[[bytes], object], said: bytes) -> None:
    """Negative, huge, not a number, with NULs, in other digits."""
    with pytest.raises(ProtocolViolation):
        parse(said)


def test_capabilities_are_read_without_regard_to_case() -> None:
    """RFC 2449 section 5; parameters belong to theirs only."""
    offers = Capabilities.of([b"TOP", b"uidl", b"SASL Plain xoauth2", b"", b"EXPIRE 31 USER", b"IMPLEMENTATION \x1b x"])

    assert "UIDL" in offers and "TOP" in offers and "SASL" in offers
    assert "USER" not in offers and "31" not in offers
    assert offers.mechanisms == {"PLAIN", "XOAUTH2"}
    assert offers.lines[-1] == r"IMPLEMENTATION \x1b x"


@pytest.mark.parametrize("argument", ["u\r\nDELE 1", "u\n", "\r", "a\0b", "\ud800"])
def test_no_argument_ends_its_line(argument: str) -> None:
    """It would be a command of its own (poplib sends it); the error does not repeat it."""
    with pytest.raises(UnsendableArgument) as raised:
        command(Stage.LOGIN, "USER", argument)

    assert argument not in str(raised.value)


def test_a_command_is_utf8_in_one_line() -> None:
    assert command(Stage.LOGIN, "PASS", "pä ss") == "PASS pä ss\r\n".encode()
    assert command(Stage.FETCH, "TOP", 3, 0) == b"TOP 3 0\r\n"


def test_long_words_are_cut() -> None:
    assert readable(b"x" * 10_000) == "x" * 500 + "…"


@given(st.binary(max_size=300), st.sampled_from(list(Stage)))
def test_random_bytes_are_read_or_refused(said: bytes, stage: Stage) -> None:
    """Never another exception, and never a text that a log can't hold."""
    for parse in (parse_stat, parse_scan, parse_uid):
        with contextlib.suppress(ProtocolViolation):
            parse(said)

    error = refusal(stage, parse_status(b"-ERR " + said, stage, takes_challenge=False))
    assert str(error).isprintable()
