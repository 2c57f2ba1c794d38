"""What a server says of each message by its number."""

from collections.abc import Callable
from typing import TypeVar

from mailsvc.mailaccess.errors import ProtocolViolation, Stage
from mailsvc.pop3.dialogue import Dialogue

__all__ = ["list_numbered"]

_Value = TypeVar("_Value", int, str)


def list_numbered(dialogue: Dialogue, keyword: str, parse: Callable[[bytes], tuple[int, _Value]]) -> dict[int, _Value]:
    """Send a command, and return what each line of its answer says of a message.

    Args:
        parse: reads a line; gives the message's number and what is said of it.

    Raises:
        CommandRefused: the server doesn't do this.
        ProtocolViolation: a message is listed twice.
    """
    found: dict[int, _Value] = {}

    def take(line: bytes) -> None:
        number, value = parse(line)
        if number in found:
            raise ProtocolViolation(Stage.LIST, f"message {number} is listed twice")
        found[number] = value

    dialogue.ask_list(Stage.LIST, keyword, take)
    return found
