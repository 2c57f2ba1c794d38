"""Whatever bytes a server sends, what comes of them is an answer or an error of ours."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imapclient.response_parser import parse_fetch_response

from mailsvc.imap import folders, listing, reading
from mailsvc.imap.client import Client
from mailsvc.imap.limits import Limits
from mailsvc.imap.usual import usual_answer
from mailsvc.mailaccess.errors import MailAccessError, Stage
from mailsvc.mailaccess.wire import Wire

WORDS = st.sampled_from(
    [
        *(
            "* ",
            "+ ",
            "TAG ",
            "OK ",
            "NO ",
            "BAD ",
            "BYE ",
            "FETCH ",
            "SEARCH ",
            "LIST ",
            "STATUS ",
            "CAPABILITY ",
            "EXISTS",
        ),
        *(
            "EXPUNGE",
            "[",
            "]",
            "(",
            ")",
            "{3}\r\n",
            "{0}\r\n",
            '"',
            "\\",
            " ",
            "\r\n",
            "NIL",
            "UID ",
            "1 ",
            "7 ",
            "-1",
            "0",
        ),
        *(
            "UIDVALIDITY ",
            "UIDNEXT ",
            "RFC822.SIZE ",
            "BODY[]<0> ",
            "FLAGS ",
            "INTERNALDATE ",
            "\0",
            "é",
            "99999999999",
        ),
        *('"01-Feb-0000 10:00:00 +9999"', "* 1 FETCH (UID 7 ", "&AP", "* OK [", "\\Sent", "* LIST () NIL ", "abc"),
    ]
)
ANSWERS = st.lists(WORDS, max_size=12).map("".join) | st.binary(max_size=60).map(lambda data: data.decode("latin-1"))

COMMANDS: dict[str, Callable[[Client], Any]] = {
    "select": lambda client: folders.open_folder(client, "INBOX", readonly=False),
    "search": lambda client: listing.uids_after(client, 0, limit=10),
    "sizes": lambda client: listing.list_each(client, "7", dates=False),
    "dates": lambda client: listing.list_each(client, "7", dates=True),
    "small": lambda client: reading.fetch_small(client, {7: 10, 8: 3}),
    "fetch": lambda client: reading.fetch(client, 7, 10, lambda _: None, chunk=100),
    "special": lambda client: folders.find_special(client, "\\Sent"),
    "capability": lambda client: client.ask_capabilities(),
}


class _Script:
    """A wire whose other end answers a command with this, and then completes it."""

    def __init__(self) -> None:
        self.answer, self.coming = "", b"* OK hello\r\n"

    def send(self, data: bytes, stage: Stage) -> None:
        tag = data.partition(b" ")[0].decode("latin-1")
        answer = self.answer.replace("TAG", tag) if self.answer else "* CAPABILITY IMAP4rev1"
        self.coming += f"{answer}\r\n{tag} OK done\r\n".encode("latin-1", "replace")

    def receive(self, stage: Stage) -> bytes:
        came, self.coming = self.coming, b""
        return came

    def release(self) -> None:
        self.coming = b""


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@given(answer=ANSWERS)
def test_whatever_is_answered_is_understood_or_refused(command: Callable[[Client], Any], answer: str) -> None:
    """Nothing that imaplib or IMAPClient raises gets out."""
    script = _Script()
    client = Client(cast(Wire, script), Limits())
    client.ask_capabilities()
    client.connection.state = "SELECTED"
    script.answer = answer

    try:
        command(client)
    except MailAccessError as error:
        assert error.text.isprintable()


ITEMS = st.sampled_from(
    [b"UID 7", b"UID 0", b"RFC822.SIZE 12", b"RFC822.SIZE -1", b"FLAGS ()", b"FLAGS (\\Seen $Work)", b"FLAGS (\\Seen ",
     b"BODY[]<0> {3}", b"BODY[]<1> {3}", b'BODY[]<0> "abc"', b"BODY[]<0> NIL", b"MODSEQ (5)"]
)  # fmt: skip


@given(items=st.lists(ITEMS, max_size=4), literal=st.sampled_from([None, b"abc", b") )"]))
def test_a_usual_answer_means_what_it_means_to_imapclient(items: list[bytes], literal: bytes | None) -> None:
    """Read by a pattern or by its parser, an answer says the same."""
    line = b"1 (" + b" ".join(items)
    answer: list[Any] = [line + b")"] if literal is None else [(line, literal), b")"]
    usual = usual_answer(answer)

    if usual is not None:
        assert [usual] == list(parse_fetch_response(answer, normalise_times=False, uid_is_key=False).values())


@pytest.mark.parametrize(
    "answer",
    [
        [(b"1 (UID 7 BODY[]<0> {3}", b"abc"), b")"],
        [b"1 (UID 7 RFC822.SIZE 12 FLAGS ())"],
        [b"1 (UID 7 RFC822.SIZE 12 FLAGS (\\Seen NonJunk $Forwarded))"],
    ],
)
def test_the_answers_of_dovecot_are_usual(answer: list[Any]) -> None:
    """Otherwise the patterns would be of no use."""
    assert usual_answer(answer) is not None
