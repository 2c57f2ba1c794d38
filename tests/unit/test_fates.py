"""What the sandbox's relay replies."""

import shutil
from pathlib import Path

import pytest

from mailsvc.sandbox.fates import Fates
from mailsvc.sandbox.maildrop import MailDrop
from mailsvc.smtp.server import Envelope

CONTENT = b"From: a@app.test\r\nMessage-ID: <1@app.test>\r\n\r\nHi.\r\n"


def envelope(*recipients: str) -> Envelope:
    return Envelope("a@app.test", recipients=list(recipients))


def test_what_follows_is_there_before_the_message_is_taken(tmp_path: Path) -> None:
    """One mail per recipient; others have no consequences."""
    drop = MailDrop(tmp_path)
    fates = Fates("user", "password", drop)
    reply = fates.message(
        envelope("Reply@Sandbox.test", "ok@sandbox.test", "reply@app.test", "auto@sandbox.test"), CONTENT
    )

    assert (reply[:3], len(drop.uids())) == (b"250", 2)


def test_a_message_whose_consequences_can_not_be_stored_is_deferred(tmp_path: Path) -> None:
    """The relay's client tries again later; others are taken."""
    fates = Fates("user", "password", MailDrop(tmp_path / "mails"))
    shutil.rmtree(tmp_path / "mails")

    assert fates.message(envelope("reply@sandbox.test"), CONTENT).startswith(b"452 4.3.1 ")
    assert fates.message(envelope("ok@sandbox.test"), CONTENT).startswith(b"250 ")


@pytest.mark.parametrize("recipient", ["later@sandbox.test", "anybody@example.test"])
def test_without_a_mailbox_nothing_follows(recipient: str) -> None:
    assert Fates("user", "password").message(envelope(recipient), CONTENT).startswith(b"250 ")
