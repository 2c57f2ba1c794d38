"""IMAP sessions with a server that goes well, and with one that goes wrong at any step."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from mailsvc.imap.session import Session
from mailsvc.mailaccess.account import Credentials, Timeouts
from mailsvc.mailaccess.errors import (
    AuthRefused,
    CommandRefused,
    FolderMissing,
    MailboxInUse,
    MessageGone,
    NotSupported,
    ProtocolViolation,
    Stage,
    TemporarilyUnavailable,
    TlsFailed,
    Unreachable,
    UnsendableArgument,
)
from tests.support.faultyimap import DROP, HANG, OFFERS, RESET, USUAL, FaultyImap
from tests.support.imapclient import error_of, in_folder, read
from tests.support.sasl import PASSWORD, TOKEN, USER

MAILS = {3: b"Subject: a\r\n\r\nfirst\r\n", 7: b"Subject: b\r\n\r\nsecond\r\n"}


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
def test_mail_is_read_whatever_protects_the_connection(tls: Any) -> None:
    with FaultyImap(messages=MAILS, tls=tls) as server:
        found = in_folder(server, lambda session: {uid: read(session, uid) for uid in session.uids_after(0)})

    assert found == MAILS


def test_each_stage_is_reported() -> None:
    stages: list[Stage] = []
    with FaultyImap(tls="starttls") as server, Session(server.account()) as session:
        session.open(lambda stage, _: stages.append(stage))

    assert stages == [Stage.RESOLVE, Stage.CONNECT, Stage.GREETING, Stage.TLS, Stage.CAPABILITIES]


# TLS


@pytest.mark.parametrize(
    "said",
    [
        b"TAG OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
        b"TAG OK go\r\nT1 OK logged in\r\n",
        b"TAG OK go\r\n* PREAUTH",
    ],
)
def test_what_is_slipped_in_before_tls_is_refused(said: bytes) -> None:
    """CVE-2011-0411 and its kin."""
    assert isinstance(error_of(FaultyImap({"starttls": said}, tls="starttls")), TlsFailed)


def test_what_was_offered_before_tls_is_forgotten() -> None:
    """Whoever sits in between could have taken the capabilities out, or put some in."""
    before = "* CAPABILITY IMAP4rev1 STARTTLS SPECIAL-USE LOGINDISABLED\r\nTAG OK done"
    with FaultyImap({"capability:1": before, "starttls": "* 99 EXISTS\r\nTAG OK go"}, tls="starttls") as server:
        assert in_folder(server, lambda session: (session.capabilities, session.exists)) == (
            frozenset(map(str.upper, OFFERS)),
            0,
        )


@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
def test_a_login_that_the_server_claims_is_not_believed(tls: Any) -> None:
    """PREAUTH in the clear would keep the session there."""
    server = FaultyImap({"greeting": "* PREAUTH welcome"}, tls=tls)

    assert isinstance(error_of(server), TlsFailed) and server.commands == []


@pytest.mark.parametrize("said", ["+OK POP3 ready", "220 smtp.test ESMTP", "HTTP/1.1 400 Bad Request"])
def test_a_server_of_another_protocol_is_shown_by_its_words(said: str) -> None:
    assert said in error_of(FaultyImap({"greeting": said})).text


@pytest.mark.parametrize("said", ["TAG NO not now", "TAG BAD what?"])
def test_without_starttls_nothing_is_sent(said: str) -> None:
    server = FaultyImap({"starttls": said}, tls="starttls")

    assert isinstance(error_of(server), TlsFailed) and server.commands == ["CAPABILITY", "STARTTLS"]


# Login


@pytest.mark.parametrize("auth", ["plain", "login", "xoauth2", "oauthbearer"])
def test_every_way_to_log_in(auth: Any) -> None:
    with FaultyImap() as server, Session(server.account()) as session:
        session.open()

        assert session.login(Credentials(USER, PASSWORD, TOKEN, auth=auth)) == "done"


def test_a_password_in_the_login_command_is_quoted() -> None:
    server = FaultyImap(offers=["IMAP4rev1"])
    with server, Session(server.account()) as session:
        session.open()
        session.login(Credentials("a b", 'x" \\y'))

    assert 'LOGIN "a b" "x\\" \\\\y"' in server.commands


def test_no_password_is_sent_where_login_is_disabled() -> None:
    server = FaultyImap(offers=["IMAP4rev1", "LOGINDISABLED"])

    assert isinstance(error_of(server), NotSupported) and server.commands == ["CAPABILITY"] * 2


@pytest.mark.parametrize("offers", [["IMAP4rev1"], OFFERS])
@pytest.mark.parametrize("name", ["a\r\nT1 DELETE INBOX", "a\0b", "\ud800"])
def test_an_argument_never_becomes_a_command(offers: list[str], name: str) -> None:
    server = FaultyImap(offers=offers)
    with server, Session(server.account()) as session, pytest.raises(UnsendableArgument):
        session.open()
        session.login(Credentials(name, "x"))

    assert server.commands == ["CAPABILITY"] * 2


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("NO [AUTHENTICATIONFAILED] wrong", AuthRefused),
        ("NO [AUTHORIZATIONFAILED] not you", AuthRefused),
        ("NO [EXPIRED] long ago", AuthRefused),
        ("NO [ALERT] Invalid credentials (Failure)", AuthRefused),
        ("NO AUTHENTICATE failed.", AuthRefused),
        ("NO [UNAVAILABLE] Temporary System Error", TemporarilyUnavailable),
        ("NO [LIMIT] Rate limit hit", TemporarilyUnavailable),
        ("NO [INUSE] somebody else", MailboxInUse),
        ("NO [ALERT] Too many simultaneous connections. (Failure)", TemporarilyUnavailable),
        ("NO Account exceeded command or bandwidth limits. (Failure)", TemporarilyUnavailable),
    ],
)
def test_a_refused_login_is_told_from_a_busy_server(said: str, kind: type[Exception]) -> None:
    error = error_of(FaultyImap({"authenticate": f"TAG {said}"}))

    assert type(error) is kind and error.stage is Stage.LOGIN


def test_the_error_of_a_token_is_kept() -> None:
    """RFC 7628 section 3.2.3."""
    server = FaultyImap({"challenge:2": "+ eyJzdGF0dXMiOiI0MDEifQ==", "authenticate": "TAG NO failed"})
    with server, Session(server.account()) as session, pytest.raises(AuthRefused) as raised:
        session.open()
        session.login(Credentials(USER, access_token="wrong"))

    assert raised.value.oauth_error == '{"status":"401"}'


def test_a_password_that_the_server_repeats_is_hidden() -> None:
    server = FaultyImap({"login": "TAG NO you said open-sesame-open-sesame"}, offers=["IMAP4rev1"])
    with server, Session(server.account()) as session, pytest.raises(AuthRefused) as raised:
        session.open()
        session.login(Credentials(USER, "open-sesame-open-sesame"))

    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds", 92.415),
        ("NO Request is throttled. Suggested Backoff Time: 999999999999 milliseconds", 86400),
        ("NO User is authenticated but not connected.", None),
        ("NO [THROTTLED] later", None),
        ("NO [UNAVAILABLE] later", None),
    ],
)
@pytest.mark.parametrize("stage", ["select", "search", "fetch", "store"])
def test_throttling_is_a_wait(stage: str, said: str, wait: float | None) -> None:
    error = error_of(FaultyImap({stage: f"TAG {said}"}, messages=MAILS), everything)

    assert isinstance(error, TemporarilyUnavailable) and error.wait == wait


# The folder


def test_a_missing_folder_is_an_error_of_its_own_and_the_session_goes_on() -> None:
    with FaultyImap({"select:2": "TAG NO [NONEXISTENT] no such folder"}) as server:

        def act(session: Session) -> int:
            with pytest.raises(FolderMissing):
                session.select("Archive")
            return session.select("INBOX").uidvalidity

        assert in_folder(server, act) == 3


def test_a_folder_that_can_only_be_read_can_be_examined() -> None:
    said = "* 2 EXISTS\r\n* OK [UIDVALIDITY 3] ok\r\nTAG OK [READ-ONLY] done"

    def act(session: Session) -> tuple[int, ...]:
        with pytest.raises(CommandRefused):
            session.select("Shared")
        session.examine("Shared")
        return session.uids_after(0)

    with FaultyImap({"select:2": said, "examine": said}, messages=MAILS) as server:
        assert in_folder(server, act) == (3, 7)


@pytest.mark.parametrize("value", ["0", "-1", "4294967296", "9" * 5000, "x"])
@pytest.mark.parametrize("key", ["UIDVALIDITY", "UIDNEXT"])
def test_a_folder_with_impossible_numbers_is_refused(key: str, value: str) -> None:
    said = f"* 1 EXISTS\r\n* OK [UIDVALIDITY 3] ok\r\n* OK [{key} {value}] ok\r\nTAG OK done"
    if key == "UIDVALIDITY":
        said = said.replace("* OK [UIDVALIDITY 3] ok\r\n", "")

    assert isinstance(error_of(FaultyImap({"select": said})), ProtocolViolation)


def test_a_uidnext_that_shrinks_is_told_as_it_is() -> None:
    """What it means is for the keeper of the cursor to say."""
    shrunk = "* 0 EXISTS\r\n* OK [UIDVALIDITY 3] ok\r\n* OK [UIDNEXT 2] ok\r\nTAG OK done"
    with FaultyImap({"select:2": shrunk}, messages=MAILS) as server:
        assert in_folder(server, lambda session: session.select("INBOX").uidnext) == 2


@pytest.mark.parametrize("offers", [OFFERS, [*OFFERS, "SPECIAL-USE", "LIST-EXTENDED"]])
def test_a_special_folder_is_found_by_its_use(offers: list[str]) -> None:
    """RFC 6154; one that is no more, or holds no messages, is none."""
    told = [
        '* LIST (\\Sent \\NonExistent) "/" Old',
        '* LIST (\\Sent \\Noselect) "/" Top',
        '* LIST (\\HasNoChildren \\sent) "/" "Envoy&AOk-s"',
        "TAG OK done",
    ]
    with FaultyImap({"list": "\r\n".join(told)}, offers=offers) as server:
        assert in_folder(server, lambda session: session.find_special("\\Sent")) == "Envoyés"
    assert ("RETURN (SPECIAL-USE)" in server.commands[-1]) is ("SPECIAL-USE" in offers)


# Messages


def test_the_last_message_is_not_found_again() -> None:
    """``n:*`` always has it (RFC 9051 section 6.4.8)."""
    with FaultyImap(messages=MAILS) as server:
        assert in_folder(server, lambda session: [session.uids_after(uid) for uid in (0, 3, 7, 2**32 - 1)]) == [
            (3, 7),
            (7,),
            (),
            (),
        ]


@pytest.mark.parametrize(
    "said", ["* SEARCH 9 7 7 8", "* SEARCH 9 8\r\n* SEARCH 7", "* SEARCH 7 8 9 (MODSEQ 917162500)"]
)
def test_uids_come_sorted_and_once(said: str) -> None:
    with FaultyImap({"search": f"{said}\r\nTAG OK done"}) as server:
        assert in_folder(server, lambda session: session.uids_after(6, limit=2)) == (7, 8)


@pytest.mark.parametrize("said", ["-1", "4294967296", "x", "9" * 5000, "7,8"])
def test_what_is_no_uid_ends_the_session(said: str) -> None:
    error = error_of(FaultyImap({"search": f"* SEARCH {said}\r\nTAG OK done"}), lambda session: session.uids_after(0))

    assert isinstance(error, ProtocolViolation)


@pytest.mark.parametrize("gap", [0, 60_000, 3_000_000_000])
def test_a_large_folder_is_listed_step_by_step(gap: int) -> None:
    """No answer is longer than a line may be, whatever lies between the UIDs."""
    uids = [*range(1, 60_001), *range(60_001 + gap, 120_001 + gap)]
    found: list[int] = []

    def act(session: Session) -> None:
        while step := session.uids_after(found[-1] if found else 0, limit=40_000):
            found.extend(step)

    with FaultyImap(messages=dict.fromkeys(uids, b"")) as server:
        in_folder(server, act)
    assert found == uids


def test_flags_of_a_message_that_nobody_asked_for_are_not_taken_for_another() -> None:
    """Without a UID the number is a place in the folder, which may be a UID, too."""
    told = "* 7 FETCH (FLAGS (\\Deleted))\r\n* 2 FETCH (UID 7 RFC822.SIZE 5 FLAGS ())\r\n* 9 FETCH (UID 8 RFC822.SIZE 1 FLAGS ())"
    with FaultyImap({"fetch": f"{told}\r\nTAG OK done"}) as server:
        found = in_folder(server, lambda session: session.sizes([7]))

    assert list(found) == [7] and found[7].flags == frozenset() and found[7].size == 5 and found[7].received_at is None


def test_sizes_dates_and_flags_are_told() -> None:
    with FaultyImap(messages=MAILS) as server:
        found = in_folder(server, lambda session: session.sizes([3, 5, 7]))

    assert found.keys() == MAILS.keys() and found[3].size == len(MAILS[3]) and found[3].flags == {"\\seen"}
    assert found[3].received_at is not None and found[3].received_at.isoformat() == "2026-02-01T10:00:00+01:00"


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_message_comes_in_parts(chunk: int) -> None:
    with FaultyImap(messages=MAILS) as server:
        assert in_folder(server, lambda session: read(session, 3, len(MAILS[3]), chunk=chunk)) == MAILS[3]


@pytest.mark.parametrize(
    "said", ["TAG OK done", "* 1 FETCH (UID 3 BODY[]<0> NIL)\r\nTAG OK done", "TAG NO [EXPUNGEISSUED] gone"]
)
def test_a_message_that_is_gone_is_told_and_the_session_goes_on(said: str) -> None:
    def act(session: Session) -> bytes:
        with pytest.raises(MessageGone):
            read(session, 3)
        return read(session, 3)

    with FaultyImap({"fetch:1": said}, messages=MAILS) as server:
        assert in_folder(server, act) == MAILS[3]


def test_without_move_a_message_is_copied_and_deleted() -> None:
    server = FaultyImap(messages=MAILS, offers=["IMAP4rev1", "UIDPLUS"])
    with server:
        in_folder(server, lambda session: session.move([7, 3], "Done & past"))

    assert server.commands[-3:] == [
        'UID COPY 3,7 "Done &- past"',
        "UID STORE 3,7 +FLAGS.SILENT (\\Deleted)",
        "UID EXPUNGE 3,7",
    ]


def test_a_missing_folder_is_created_and_subscribed_to() -> None:
    server = FaultyImap({"move:1": "TAG NO [TRYCREATE] no such folder"}, messages=MAILS)
    with server:
        in_folder(server, lambda session: session.move([3], "Erledigt für immer"))

    folder = '"Erledigt f&APw-r immer"'
    move = f"UID MOVE 3 {folder}"
    assert server.commands[-4:] == [move, f"CREATE {folder}", f"SUBSCRIBE {folder}", move]


def test_a_folder_that_may_not_be_created_is_missing() -> None:
    script = {"move": "TAG NO [TRYCREATE] no such folder", "create": "TAG NO [NOPERM] not you"}
    error = error_of(FaultyImap(script, messages=MAILS), lambda session: session.move([3], "Done"))

    assert isinstance(error, FolderMissing) and error.stage is Stage.MOVE and "not you" in error.text


@pytest.mark.parametrize(
    "act", [lambda session: session.expunge([3]), lambda session: session.move([3], "Done")], ids=["expunge", "move"]
)
def test_without_uidplus_nothing_is_deleted(act: Callable[[Session], None]) -> None:
    """EXPUNGE alone would delete what others marked."""
    server = FaultyImap(messages=MAILS, offers=["IMAP4rev1", "AUTH=PLAIN"])

    assert isinstance(error_of(server, act), NotSupported) and server.commands[-1].startswith("SELECT")


# Waiting


def test_a_mail_that_comes_ends_the_wait() -> None:
    """Also where the line comes in pieces."""
    told = (b"+ idling\r\n* OK still", threading.Event(), b" here\r\n* 3 EXIST", b"S\r\n")
    with FaultyImap({"waiting": told}, messages=MAILS) as server:
        assert in_folder(server, lambda session: (session.idle(60), session.exists)) == (True, 3)


def test_a_wait_without_news_ends() -> None:
    with FaultyImap() as server:
        assert in_folder(server, lambda session: (session.idle(0.01), session.noop())[0]) is False


def test_half_a_line_while_waiting_is_completed_later() -> None:
    with FaultyImap({"waiting": b"+ idling\r\n* 3 EXIST", "done": b"S\r\n"}, messages=MAILS) as server:
        assert in_folder(server, lambda session: (session.idle(0.2), session.exists)) == (True, 3)


def test_news_that_came_before_are_not_waited_for() -> None:
    with FaultyImap({"noop": "* 3 EXISTS\r\nTAG OK done"}, messages=MAILS) as server:
        assert in_folder(server, lambda session: (session.noop(), session.idle(60))[1]) is True
    assert "IDLE" not in server.commands


def test_without_idle_the_server_is_asked() -> None:
    """Some say nothing to NOOP: STATUS, then."""
    server = FaultyImap(messages=MAILS, offers=["IMAP4rev1", "AUTH=PLAIN"])
    with server:
        assert in_folder(server, lambda session: [session.idle(0.01) for _ in range(2)]) == [True, False]
    assert server.commands[-2:] == ["NOOP", 'STATUS "INBOX" (MESSAGES UIDNEXT)']


def test_a_refused_wait_is_told() -> None:
    assert isinstance(error_of(FaultyImap({"waiting": "TAG NO no"}), lambda session: session.idle(60)), CommandRefused)


@pytest.mark.parametrize("act", [lambda session: session.idle(600), lambda session: session.noop()])
def test_closing_ends_every_wait(act: Callable[[Session], None]) -> None:
    """Any thread may: a watchdog, or the end of the service."""
    there = threading.Event()
    with FaultyImap({"waiting": (USUAL, there, HANG), "noop": (there, HANG)}) as server:

        def close_later(session: Session) -> None:
            closer = threading.Thread(target=lambda: (there.wait(), session.close()))
            closer.start()
            try:
                act(session)
            finally:
                closer.join()

        with pytest.raises(Unreachable) as raised:
            in_folder(server, close_later)
    assert raised.value.text == "closed by this program"


# Connections that are lost


def everything(session: Session) -> None:
    """Every command once."""
    session.examine("INBOX")
    session.find_special("\\Sent")
    session.uids_after(0)
    session.sizes([3])
    read(session, 3)
    session.mark_seen([3])
    session.move([3], "Done")
    session.expunge([7])
    session.idle(0.01)
    session.noop()
    session.logout()


STEPS = "connect greeting capability authenticate select examine list search fetch store move expunge waiting noop"


@pytest.mark.parametrize("step", STEPS.split())
@pytest.mark.parametrize("mood", [DROP, RESET, "* BYE shutting down", b"* 3 EX"], ids=["drop", "reset", "bye", "half"])
def test_a_connection_lost_at_any_step_is_told(step: str, mood: Any) -> None:
    error = error_of(
        FaultyImap({step: (mood, DROP) if isinstance(mood, bytes | str) else mood}, messages=MAILS), everything
    )

    assert isinstance(error, Unreachable | TemporarilyUnavailable)


@pytest.mark.parametrize("step", STEPS.split())
def test_a_server_that_says_nothing_is_given_up(step: str) -> None:
    error = error_of(FaultyImap({step: HANG}, messages=MAILS), everything, timeouts=Timeouts(reply=0.2))

    assert isinstance(error, Unreachable)


def test_everything_goes_well_where_nothing_goes_wrong() -> None:
    with FaultyImap(messages=MAILS) as server:
        in_folder(server, everything)
