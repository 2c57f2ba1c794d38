"""The server's side of an IMAP session, without a connection."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc.imap.server.commands import COMMANDS
from mailsvc.imap.server.session import Session
from mailsvc.sandbox.maildrop import MailDrop

MAIL = b"Subject: a\r\nno colon here\r\n\r\nb\r\n"
WORDS = st.sampled_from(
    [*(name.encode() for name in COMMANDS), b"UID", b"INBOX", b'"INBOX"', b"(FLAGS)", b"(\\Seen)", b"1:*", b"*", b"2,1", b"0"]
    + [b"BODY[]<0.5>", b"BODY.PEEK[HEADER.FIELDS (Subject)]", b"RFC822", b"FAST", b"+FLAGS", b"-FLAGS.SILENT", b"ALL", b"NOT"]
    + [b"OR", b"SINCE", b"1-Jan-2026", b"HEADER", b"{1}\r\nx", b"(", b")", b'"', b"[", b"\\", b"\xff", b"PLAIN", b"%", b"DONE"]
)  # fmt: skip


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def answers(session: Session, line: bytes) -> bytes:
    """All responses; a client that is asked for a line sends an empty one."""
    dialogue, said, sent = session.command(line), [], None
    with suppress(StopIteration):
        while True:
            part = dialogue.send(sent)  # type: ignore[arg-type]  # None begins and goes on
            sent = b"" if part is None else None
            said.append(part or b"")
    return b"".join(said)


@given(commands=st.lists(st.one_of(st.lists(WORDS, max_size=6).map(b" ".join), st.binary(max_size=60)), max_size=6))
def test_any_command_is_answered_once(directory: Path, commands: list[bytes]) -> None:
    """With OK, NO or BAD; nothing is raised, whatever is sent."""
    drop = MailDrop(directory)
    drop.append(MAIL)
    session = Session(drop, lambda _user, _password: True, COMMANDS)
    answers(session, b"a LOGIN x y")
    answers(session, b"b SELECT INBOX")

    for command in commands:
        said = answers(session, b"t7 " + command)
        assert sum(said.count(b"t7 %b " % kind) for kind in (b"OK", b"NO", b"BAD")) == 1, said
