"""A server that wants to do harm gets an error of ours and little memory, at every step."""

import tracemalloc
from typing import Any

import pytest

from mailsvc.imap.limits import Limits
from mailsvc.imap.session import Session
from mailsvc.mailaccess.errors import MailAccessError, ProtocolViolation, ResponseTooLarge
from tests.integration.test_imap_session import MAILS, STEPS, everything
from tests.support.faultyimap import USUAL, Endless, FaultyImap
from tests.support.imapclient import error_of, in_folder, read

LIMITS = Limits(response=256 * 1024)  # what the default of 4 MiB lets through takes seconds to send
MOST_MEMORY = 16 * 1024 * 1024  # bytes; a line may have a MiB

HARM = {
    "2 GiB": b"* 1 FETCH (UID 3 BODY[]<0> {2147483648}\r\n",
    "endless line": Endless(b"x" * 65536),
    "endless word": (b"* OK ", Endless(b"x" * 65536)),
    "endless EXISTS": Endless(b"* 5 EXISTS\r\n" * 1000),
    "endless FETCH": Endless(b"* 5 FETCH (FLAGS (\\Seen))\r\n" * 1000),
    "endless literals": (b"* LIST ", Endless(b"{60000}\r\n" + b"x" * 60000)),
    "negative": b"* -1 EXISTS\r\n",
    "huge": b"* " + b"9" * 5000 + b" EXISTS\r\n",
    "huge literal": b"* LIST {" + b"9" * 5000 + b"}\r\n",
    "NUL": b"* \0\0\0 EXISTS\r\n",
    "not IMAP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "tagged for nobody": b"A999 OK done\r\n",
    "bare LF": b"* OK x\n",
}


@pytest.mark.parametrize("step", STEPS.split())
@pytest.mark.parametrize("mood", HARM.values(), ids=HARM)
def test_no_harm_is_done_at_any_step(step: str, mood: Any) -> None:
    tracemalloc.start()
    try:
        error = error_of(
            FaultyImap({step: mood if step != "connect" else (mood, USUAL)}, messages=MAILS), everything, limits=LIMITS
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert isinstance(error, ProtocolViolation | ResponseTooLarge) and peak < MOST_MEMORY


def test_a_hundred_thousand_messages_told_one_by_one_take_no_memory() -> None:
    told = b"".join(b"* %d EXISTS\r\n" % number for number in range(100_000)) + b"TAG OK done\r\n"
    with FaultyImap({"noop": told}) as server:

        def act(session: Session) -> int:
            tracemalloc.start()
            session.noop()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert session.exists == 99_999
            return peak

        assert in_folder(server, act) < 4 * 1024 * 1024


@pytest.mark.parametrize(
    "said",
    [
        "* 1 FETCH (UID 3 BODY[]<0> {30}\r\n" + "x" * 30 + ")",
        "* 1 FETCH (UID 3 BODY[]<0> {11}\r\n" + "x" * 11 + ")",
        '* 1 FETCH (UID 3 BODY[]<0> "' + "x" * 30 + '")',
        "* 1 FETCH (UID 3 BODY[]<0> {1}\r\nx)\r\n* 1 FETCH (UID 3 BODY[]<0> {1}\r\nx)",
        "* 1 FETCH (UID 3 BODY[]<0>)",
        "* 1 FETCH (UID 3 BODY[]<0> " + "(" * 5000 + ")",
        "* 1 FETCH UID 3",
        "* 1 FETCH (UID x BODY[]<0> NIL)",
        '* 1 FETCH (UID 3 BODY[]<0> "x',
    ],
)
def test_a_message_that_is_not_as_was_asked_for_is_refused(said: str) -> None:
    """More than its size, twice, or out of form."""
    error = error_of(FaultyImap({"fetch": f"{said}\r\nTAG OK done"}), lambda session: read(session, 3, 10))

    assert isinstance(error, ProtocolViolation | ResponseTooLarge)


@pytest.mark.parametrize("size", ["-1", "x", "99999999999999999999", "NIL", "(1)"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    said = f"* 1 FETCH (UID 3 RFC822.SIZE {size} FLAGS (\\Seen))\r\nTAG OK done"

    assert isinstance(error_of(FaultyImap({"fetch": said}), lambda session: session.sizes([3])), ProtocolViolation)


@pytest.mark.parametrize("said", ["TAG PERHAPS done", "TAG NO \x1b[31m\0red", "TAG BAD " + "x" * 100_000])
@pytest.mark.parametrize("step", ["select", "search", "fetch", "store", "move", "expunge"])
def test_a_servers_words_are_escaped_and_cut(step: str, said: str) -> None:
    error: MailAccessError = error_of(FaultyImap({step: said}, messages=MAILS), everything)

    assert error.text.isprintable() and len(error.text) < 600
