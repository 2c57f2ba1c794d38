"""The interface between a transaction and its driver: the steps, their results, and the end."""

from collections.abc import Generator
from typing import TypeAlias

import msgspec

from mailsvc.domain.attempt import Reply, Stage, Verdict

__all__ = ["Answer", "Broken", "Content", "Conversation", "Expect", "Step", "Talk", "TransactionEnd", "Write"]


class Write(msgspec.Struct, frozen=True, gc=False):
    """Send these bytes."""

    data: bytes


class Expect(msgspec.Struct, frozen=True, gc=False):
    """Wait until a reply has come; it is the reply of this stage."""

    stage: Stage


class Content(msgspec.Struct, frozen=True, gc=False):
    """Send the content, check that the connection works and our lease is valid, then send the dot for these recipients.

    The result says whether the dot was sent; if ``Broken`` is thrown, it was not.
    """

    accepted: tuple[int, ...]


Step: TypeAlias = Write | Expect | Content


class Broken(Exception):
    """The connection can't be used any more: lost, timed out, or out of step."""

    def __init__(self, text: str, reply: Reply | None = None, *, timed_out: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.reply = reply  # an early reply in the middle of the body
        self.timed_out = timed_out


class TransactionEnd(msgspec.Struct, frozen=True, gc=False):
    """The result of a transaction."""

    verdicts: tuple[Verdict, ...]
    stage: Stage  # the last stage
    in_step: bool  # whether the session may be used again
    needs_reset: bool  # whether RSET must come before the next MAIL
    misunderstood: bool = False  # the relay could not handle a transaction that was opened early
    closing: Reply | None = None  # the relay ended the session
    broken: str | None = None  # the session ended without such a reply
    unanswered: bool = False  # the session ended before the relay replied to this transaction
    judged: bool = False  # a reply was about a recipient or the message
    timed_out: bool = False
    most_recipients: int | None = None  # the relay's limit of recipients per transaction, if it showed one


Answer: TypeAlias = "bool | None"
Conversation: TypeAlias = Generator[Step, Answer, TransactionEnd]
Talk: TypeAlias = Generator[Step, Answer, None]
