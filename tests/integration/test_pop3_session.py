"""Opening a POP3 session and logging in, with servers that do everything wrong at every step."""

import os
import sys
import threading
from typing import Any

import pytest

from mailsvc.mailaccess.account import Credentials, Timeouts
from mailsvc.mailaccess.errors import (
    AuthRefused,
    MailAccessError,
    MailboxInUse,
    PermanentlyUnavailable,
    ProtocolViolation,
    ResponseTooLarge,
    Stage,
    TemporarilyUnavailable,
    TlsFailed,
    Unreachable,
    UnsendableArgument,
)
from mailsvc.pop3.session import Session
from tests.support.faultypop3 import DROP, HANG, RESET, Endless, FaultyPop3, Mood
from tests.support.pop3client import error_of, in_session, read
from tests.support.sasl import PASSWORD, TOKEN, USER

MAILS = (b"Subject: one\r\n\r\n.dot\r\n", b"Subject: two\r\n\r\n" + b"x" * 3000 + b"\r\n", b"Subject: three\r\n\r\n")
IMPATIENT = Timeouts(reply=0.05, tls=0.05)


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
def test_a_whole_session_goes_well(tls: Any) -> None:
    """From the greeting to the deletions."""
    with FaultyPop3(messages=MAILS, tls=tls) as server, Session(server.account()) as session:
        session.open()
        session.login(server.credentials)
        session.noop()

        assert session.stat() == (3, sum(map(len, MAILS)))
        assert session.sizes() == {number: len(mail) for number, mail in enumerate(MAILS, 1)}
        assert session.uids() == {1: "uid1", 2: "uid2", 3: "uid3"}
        assert tuple(read(session, number) for number in (1, 2, 3)) == MAILS
        assert session.delete(1, 7, 3) == (1, 3)
        assert session.quit() == (1, 3)
    assert list(server.messages) == [2]


def test_each_stage_of_opening_is_reported() -> None:
    """For a person who checks a mailbox."""
    said: list[tuple[Stage, str]] = []
    with FaultyPop3(tls="starttls") as server, Session(server.account()) as session:
        session.open(lambda *step: said.append(step))

    assert [stage.value for stage, _ in said] == ["resolve", "connect", "greeting", "tls", "capabilities"]
    assert said[3][1].startswith("TLSv1") and "UIDL" in said[4][1]


# The way in


@pytest.mark.parametrize(
    ("script", "kind", "stage"),
    [
        ({"connect": DROP}, Unreachable, "greeting"),
        ({"greeting": "-ERR [SYS/TEMP] later"}, TemporarilyUnavailable, "greeting"),
        ({"greeting": "220 smtp.test ESMTP"}, ProtocolViolation, "greeting"),
        ({"greeting": Endless(b"x" * 65536)}, ResponseTooLarge, "greeting"),
        ({"capa": DROP}, Unreachable, "capabilities"),
        ({"capa": RESET}, Unreachable, "capabilities"),
        ({"capa": ("+OK", Endless(b"X\r\n" * 10000))}, ResponseTooLarge, "capabilities"),
        ({"auth": DROP}, Unreachable, "login"),
        ({"auth": "-ERR [AUTH] wrong"}, AuthRefused, "login"),
        ({"auth": "-ERR [IN-USE] busy"}, MailboxInUse, "login"),
        ({"auth": "-ERR [SYS/PERM] disabled"}, PermanentlyUnavailable, "login"),
        ({"challenge": ("+ ", "+ ")}, AuthRefused, "login"),
        ({"challenge": Endless(b"+ ")}, ResponseTooLarge, "login"),
        ({"challenge": DROP}, Unreachable, "login"),
        ({"stat": DROP}, Unreachable, "count"),
        ({"stat": "+OK many"}, ProtocolViolation, "count"),
        ({"stat": "+OK -1 -1"}, ProtocolViolation, "count"),
        ({"stat": "-ERR [SYS/TEMP] disk"}, TemporarilyUnavailable, "count"),
    ],
)
def test_trouble_on_the_way_in_says_what_and_where(
    script: dict[str, Mood], kind: type[MailAccessError], stage: str
) -> None:
    error = error_of(FaultyPop3(script))

    assert (type(error), error.stage.value) == (kind, stage)


@pytest.mark.parametrize("stage", ["greeting", "capa", "stls", "tls", "auth", "stat"])
def test_silence_is_noticed(stage: str) -> None:
    """Everywhere, the handshake included."""
    error = error_of(FaultyPop3({stage: HANG}, tls="starttls"), timeouts=IMPATIENT)

    assert isinstance(error, Unreachable) and error.text.startswith("no answer in time")


def innermost_function(thread: threading.Thread) -> str:
    """Where it is just now."""
    return sys._current_frames()[thread.ident or 0].f_code.co_name


@pytest.mark.parametrize(
    ("tls", "stage", "waits_in"),
    [
        ("none", "greeting", "receive"),
        ("none", "auth", "receive"),
        ("implicit", "tls", "do_handshake"),
        ("implicit", "greeting", "read"),
        ("starttls", "tls", "do_handshake"),
        ("starttls", "auth", "read"),
    ],
)
def test_another_thread_ends_a_session_that_hangs(tls: Any, stage: str, waits_in: str) -> None:
    """A watchdog, in the middle of TLS and of waiting alike; the thread that waits sees why."""
    hangs, errors = threading.Event(), list[MailAccessError]()

    def use(session: Session) -> None:
        try:
            session.open()
            session.login(server.credentials)
        except MailAccessError as error:
            errors.append(error)

    with FaultyPop3({stage: (hangs, HANG)}, tls=tls) as server, Session(server.account()) as session:
        thread = threading.Thread(target=use, args=(session,))
        thread.start()
        hangs.wait()
        while innermost_function(thread) != waits_in:
            os.sched_yield()
        session.close()
        thread.join()

    [error] = errors
    assert isinstance(error, Unreachable) and error.text == "closed by this program"


def test_a_closed_session_is_not_opened() -> None:
    with FaultyPop3() as server, Session(server.account()) as session:
        session.close()
        with pytest.raises(Unreachable):
            session.open()

    assert server.commands == []


@pytest.mark.parametrize(
    ("given", "stage", "text"),
    [
        ({"host": "nobody.invalid"}, "resolve", "the host name can't be resolved"),
        ({"port": 1}, "connect", "127.0.0.1: connection refused"),
        ({"targets": "public"}, "resolve", "127.0.0.1 is not a public address"),
    ],
)
def test_a_host_that_is_not_there_is_unreachable(given: dict[str, Any], stage: str, text: str) -> None:
    """Or one that may not be dialled."""
    with FaultyPop3() as server, Session(server.account(**given)) as session, pytest.raises(Unreachable) as raised:
        session.open()

    assert raised.value.stage.value == stage and raised.value.text.startswith(text)


# TLS


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("certificate", ["expired", "wrong name", "untrusted", "old"])
def test_a_wrong_certificate_ends_the_session(tls: Any, certificate: Any) -> None:
    """Before a login is sent."""
    server = FaultyPop3(tls=tls, certificate=certificate)
    error = error_of(server)

    assert isinstance(error, TlsFailed) and error.stage is Stage.TLS
    assert not any(command.startswith(("AUTH", "USER", "PASS")) for command in server.commands)


def test_a_wrong_certificate_is_taken_where_nothing_is_verified() -> None:
    with FaultyPop3(tls="implicit", certificate="wrong name") as server:
        with Session(server.account(verify=False)) as session:
            session.open()


@pytest.mark.parametrize("injected", ["+OK injected", "-ERR injected", "+OK\r\nUSER\r\n.", "x"])
def test_nothing_that_came_before_tls_is_believed(injected: str) -> None:
    """Slipped in behind the answer to STLS, in one piece with it."""
    error = error_of(FaultyPop3({"stls": f"+OK begin\r\n{injected}"}, tls="starttls"))

    assert isinstance(error, TlsFailed)


@pytest.mark.parametrize(
    ("script", "offers"),
    [({}, ("USER",)), ({"stls": "-ERR no"}, ("USER", "STLS")), ({"capa": "-ERR what", "stls": "-ERR what"}, None)],
)
def test_without_stls_nothing_is_sent(script: dict[str, Mood], offers: Any) -> None:
    """Whether it is not offered (or taken out on the way), or refused."""
    server = FaultyPop3(script, tls="none", offers=offers)
    with server, Session(server.account(tls="starttls")) as session, pytest.raises(TlsFailed):
        session.open()

    assert set(server.commands) <= {"CAPA", "STLS"}


def test_capabilities_from_before_tls_are_forgotten() -> None:
    """Who sits in between could have written them (RFC 2595 section 4)."""
    server = FaultyPop3({"capa:1": "+OK\r\nSTLS\r\nSASL PLAIN\r\n."}, tls="starttls", offers=("USER", "UIDL"))
    with server:
        in_session(server, Session.stat)

    assert [line.split()[0] for line in server.commands] == ["CAPA", "STLS", "CAPA", "USER", "PASS", "CAPA", "STAT"]


def test_a_server_that_loses_capa_with_tls_is_one_without() -> None:
    """Its answer from before is not used again."""
    script: dict[str, Mood] = {"capa:1": "+OK\r\nSTLS\r\nSASL PLAIN\r\n.", "capa:2": "-ERR what"}
    with FaultyPop3(script, tls="starttls") as server:
        in_session(server, Session.stat)

    assert [line.split()[0] for line in server.commands] == ["CAPA", "STLS", "CAPA", "USER", "PASS", "STAT"]


# Logging in


def test_a_server_without_capa_is_logged_in_to() -> None:
    with FaultyPop3(offers=None) as server:
        in_session(server, Session.stat)

    assert server.commands == ["CAPA", f"USER {USER}", f"PASS {PASSWORD}", "STAT"]


@pytest.mark.parametrize("auth", ["user", "plain"])
def test_a_wrong_password_is_tried_once(auth: Any) -> None:
    """The session has ended then."""
    with FaultyPop3() as server, Session(server.account()) as session:
        session.open()
        with pytest.raises(AuthRefused):
            session.login(Credentials(USER, "wrong", auth=auth))
        with pytest.raises(Unreachable):
            session.stat()

    assert sum(command.startswith(("AUTH", "USER")) for command in server.commands) == 1


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_a_token_logs_in_and_a_wrong_one_says_why(auth: Any) -> None:
    """The error's JSON is kept."""
    with FaultyPop3() as server:
        with Session(server.account()) as session:
            session.open()
            session.login(Credentials(USER, access_token=TOKEN, auth=auth))
        with Session(server.account()) as session, pytest.raises(AuthRefused) as raised:
            session.open()
            session.login(Credentials(USER, access_token="expired", auth=auth))

    assert raised.value.oauth_error == '{"status":"400"}'


@pytest.mark.parametrize("username", ["u\r\nDELE 1", "u\0"])
@pytest.mark.parametrize("auth", ["user", "plain"])
def test_no_credential_becomes_a_command(username: str, auth: Any) -> None:
    with FaultyPop3() as server, Session(server.account()) as session:
        session.open()
        with pytest.raises(UnsendableArgument):
            session.login(Credentials(username, PASSWORD, auth=auth))

    assert set(server.commands) <= {"CAPA"}


def test_a_password_with_a_line_break_leaves_no_half_login_behind() -> None:
    """USER is not sent either."""
    with FaultyPop3(offers=None) as server, Session(server.account()) as session:
        session.open()
        with pytest.raises(UnsendableArgument):
            session.login(Credentials(USER, "secret\r\nDELE 1"))

    assert server.commands == ["CAPA"]


def test_a_password_that_the_server_repeats_is_in_no_error() -> None:
    server = FaultyPop3({"pass": f"-ERR unknown command PASS {PASSWORD}"}, offers=None)

    assert str(error_of(server)) == "login: unknown command PASS ********"


def test_credentials_are_shown_without_secrets() -> None:
    """Neither in a log nor in a traceback."""
    shown = repr(Credentials(USER, PASSWORD, TOKEN))

    assert PASSWORD not in shown and TOKEN not in shown
