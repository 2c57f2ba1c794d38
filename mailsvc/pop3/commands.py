"""Commands as bytes."""

from mailsvc.mailaccess.errors import Stage
from mailsvc.mailaccess.sasl import require_sendable

__all__ = ["command"]


def command(stage: Stage, keyword: str, *arguments: str | int) -> bytes:
    """The command with its CRLF (RFC 1939 section 3).

    Raises:
        UnsendableArgument: an argument would end the line, and what follows would be read as another command.
    """
    for argument in arguments:
        require_sendable(stage, keyword, str(argument))
    return " ".join([keyword, *map(str, arguments)]).encode("utf-8") + b"\r\n"
