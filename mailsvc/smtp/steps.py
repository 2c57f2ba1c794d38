"""What a transaction and its driver say to each other: the steps, the answers to them, and the end."""

from collections.abc import Generator
from typing import TypeAlias

import msgspec

from mailsvc.domain.attempt import Reply, Stage, Verdict

__all__ = ["Answer", "Broken", "Content", "Conversation", "Expect", "Step", "Talk", "TransactionEnd", "Write"]


class Write(msgspec.Struct, frozen=True, gc=False):
    """Send these bytes."""

    data: bytes


class Expect(msgspec.Struct, frozen=True, gc=False):
    """Wait until a reply has come; it will be that of this stage."""

    stage: Stage


class Content(msgspec.Struct, frozen=True, gc=False):
    """Send the content, see that the connection is alive and the lease still ours, then send the dot for these recipients.

    The answer says whether the dot went out; where something breaks, it did not.
    """

    accepted: tuple[int, ...]


Step: TypeAlias = Write | Expect | Content


class Broken(Exception):
    """The connection is of no more use: lost, timed out, or out of step."""

    def __init__(self, text: str, reply: Reply | None = None, *, timed_out: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.reply = reply  # an early reply in the middle of the body
        self.timed_out = timed_out


class TransactionEnd(msgspec.Struct, frozen=True, gc=False):
    """What a transaction came to."""

    verdicts: tuple[Verdict, ...]
    stage: Stage  # how far it came
    in_step: bool  # whether the session may be used again
    needs_reset: bool  # whether RSET must come before the next MAIL
    misunderstood: bool = False  # the relay could not cope with a transaction that was opened early
    closing: Reply | None = None  # the relay ended the session
    broken: str | None = None  # the session ended without such words
    unheard: bool = False  # it was over before the relay said anything about this transaction
    judged: bool = False  # a reply was about one of the recipients, or about the message
    timed_out: bool = False
    most_recipients: int | None = None  # how many the relay takes at once, as far as it showed


Answer: TypeAlias = "bool | None"
Conversation: TypeAlias = Generator[Step, Answer, TransactionEnd]
Talk: TypeAlias = Generator[Step, Answer, None]
