"""Lists, messages and deletions by POP3, on servers that do everything wrong."""

import threading
from typing import Any

import pytest

from mailsvc.mailaccess.errors import (
    CommandRefused,
    MailAccessError,
    NotSupported,
    ProtocolViolation,
    ResponseTooLarge,
    Stage,
    TemporarilyUnavailable,
    Unreachable,
)
from mailsvc.pop3.session import Session
from tests.support.faultypop3 import DROP, RESET, Endless, FaultyPop3, Mood
from tests.support.pop3client import error_of, in_session, read

MAILS = (b"Subject: one\r\n\r\n.dot\r\n", b"Subject: two\r\n\r\n" + b"x" * 3000 + b"\r\n", b"Subject: three\r\n\r\n")


# Lists


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (("+OK", b"1 " + b"x" * 2**20 + b"\r\n"), ResponseTooLarge),
        (("+OK", Endless(b"1 x" * 10000)), ResponseTooLarge),
        ("+OK\r\n1 a\r\n1 b\r\n.", ProtocolViolation),
        ("+OK\r\n-1 a\r\n.", ProtocolViolation),
        ("+OK\r\n99999999999999999999 a\r\n.", ProtocolViolation),
        ("+OK\r\n1 a\0b\r\n.", ProtocolViolation),
        ("+OK\r\ngarbage\r\n.", ProtocolViolation),
        (("+OK\r\n1 a", DROP), Unreachable),
    ],
)
def test_a_list_that_is_none_ends_the_session(answer: Mood, kind: type[MailAccessError]) -> None:
    """It is never taken for a complete one."""
    error = error_of(FaultyPop3({"uidl": answer}), Session.uids)

    assert (type(error), error.stage) == (kind, Stage.LIST)


def test_equal_unique_ids_are_two_messages() -> None:
    """As RFC 1939 section 7 allows for equal messages."""
    with FaultyPop3({"uidl": "+OK\r\n1 same\r\n2 same\r\n."}) as server:
        assert in_session(server, Session.uids) == {1: "same", 2: "same"}


@pytest.mark.parametrize("offers", [None, ("USER",)])
def test_a_server_without_uidl_and_top_says_so(offers: Any) -> None:
    """And the session goes on."""
    with FaultyPop3({"uidl": "-ERR what", "top": "-ERR what"}, offers=offers, messages=MAILS) as server:

        def act(session: Session) -> bytes:
            with pytest.raises(NotSupported):
                session.uids()
            with pytest.raises(NotSupported):
                session.top(1, 0, bytearray().extend, limit=100)
            return read(session, 1)

        assert in_session(server, act) == MAILS[0]


@pytest.mark.parametrize("script", [{}, {"capa:2": "-ERR not now"}])
def test_a_server_that_has_uidl_and_refuses_it_is_no_server_without(script: dict[str, Mood]) -> None:
    """To treat it as such would make every message new."""
    assert type(error_of(FaultyPop3({"uidl": "-ERR no", **script}), Session.uids)) is CommandRefused


# Messages


def test_the_top_of_a_message_is_read() -> None:
    with FaultyPop3(messages=MAILS) as server:
        header = bytearray()
        in_session(server, lambda session: session.top(1, 0, header.extend, limit=1000))

    assert bytes(header) == b"Subject: one\r\n\r\n"


def test_a_message_over_the_limit_ends_the_session() -> None:
    """Whatever size the list had for it, and though it never ends."""
    got: list[bytes] = []
    server = FaultyPop3({"retr": ("+OK 5 octets", Endless(b"x" * 65536))}, messages=MAILS)
    error = error_of(server, lambda session: session.retrieve(1, got.append, limit=1_000_000))

    assert isinstance(error, ResponseTooLarge) and error.stage is Stage.FETCH
    assert sum(map(len, got)) <= 1_000_000


@pytest.mark.parametrize("fault", [DROP, RESET])
def test_half_a_message_is_no_message(fault: Mood) -> None:
    error = error_of(FaultyPop3({"retr": (b"+OK\r\nhalf\r\n", fault)}), lambda session: read(session, 1))

    assert isinstance(error, Unreachable) and error.stage is Stage.FETCH


def test_a_message_that_is_gone_is_refused_and_the_session_goes_on() -> None:
    with FaultyPop3(messages=MAILS) as server:

        def act(session: Session) -> bytes:
            with pytest.raises(CommandRefused):
                read(session, 9)
            return read(session, 3)

        assert in_session(server, act) == MAILS[2]


def test_a_caller_that_fails_leaves_no_session_in_the_middle() -> None:
    """The rest of the message would be read as the next answer."""

    def full(data: bytes) -> None:
        raise OSError("disk full")

    def act(session: Session) -> None:
        with pytest.raises(OSError, match="disk full"):
            session.retrieve(2, full, limit=10_000)
        session.stat()

    assert isinstance(error_of(FaultyPop3(messages=MAILS), act), Unreachable)


@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(tls: Any) -> None:
    """It would shift all that follow: DELE would be believed before it was done."""
    is_sent = threading.Event()
    server = FaultyPop3({"noop": ("+OK", "+OK surplus", is_sent)}, messages=MAILS, tls=tls)

    def act(session: Session) -> None:
        session.noop()
        is_sent.wait()
        session.delete(1)

    error = error_of(server, act)
    assert isinstance(error, ProtocolViolation) and "DELE 1" not in server.commands


def test_a_server_that_ended_the_session_is_heard_out() -> None:
    """Dovecot, after ten idle minutes."""
    is_sent = threading.Event()
    server = FaultyPop3({"noop": ("+OK", "-ERR Disconnected for inactivity.", is_sent, DROP)})

    def act(session: Session) -> None:
        session.noop()
        is_sent.wait()
        session.stat()

    error = error_of(server, act)
    assert isinstance(error, Unreachable) and "Disconnected for inactivity." in error.text


# Deletions


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("-ERR some deleted messages not removed", CommandRefused),
        ("-ERR [SYS/TEMP] disk", TemporarilyUnavailable),
        (DROP, Unreachable),
        ("garbage", ProtocolViolation),
    ],
)
def test_nothing_counts_as_deleted_before_quit_was_agreed_to(answer: Mood, kind: type[MailAccessError]) -> None:
    def act(session: Session) -> None:
        assert session.delete(1, 2) == (1, 2)
        session.quit()

    error = error_of(FaultyPop3({"quit": answer}, messages=MAILS), act)

    assert (type(error), error.stage) == (kind, Stage.QUIT)


def test_leaving_without_quit_deletes_nothing() -> None:
    with FaultyPop3(messages=MAILS) as server:
        assert in_session(server, lambda session: session.delete(1)) == (1,)

    assert len(server.messages) == 3 and "QUIT" not in server.commands


def test_marks_can_be_taken_off() -> None:
    with FaultyPop3(messages=MAILS) as server:
        done = in_session(server, lambda s: (s.delete(1, 2), s.reset(), s.delete(3), s.quit()))

    assert done[-1] == (3,)
    assert list(server.messages) == [1, 2]


@pytest.mark.parametrize("offers", [("USER",), ("USER", "PIPELINING")])
def test_many_deletions_are_answered_each(offers: Any) -> None:
    """In one piece where the server takes that; some of them are gone by then."""
    mails = [b"x\r\n"] * 250
    with FaultyPop3({"dele:2": ["-ERR gone"]}, messages=mails, offers=offers) as server:
        marked = in_session(server, lambda session: session.delete(*range(1, 251)))

    assert marked == (1, *range(3, 251))


def test_a_server_that_can_delete_no_more_is_heard() -> None:
    """What it had marked until then is known."""
    server = FaultyPop3({"dele:2": "-ERR [SYS/TEMP] read-only for now"}, messages=MAILS)

    def act(session: Session) -> None:
        try:
            session.delete(1, 2, 3)
        finally:
            assert session.marked == (1, 3)

    assert type(error_of(server, act)) is TemporarilyUnavailable
