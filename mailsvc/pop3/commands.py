"""Commands as bytes."""

from mailsvc.pop3.errors import Stage, UnsendableArgument

__all__ = ["command", "require_sendable"]


def command(stage: Stage, keyword: str, *arguments: str | int) -> bytes:
    """The command with its CRLF (RFC 1939 section 3).

    Raises:
        UnsendableArgument: an argument would end the line, and what follows would be read as another command.
    """
    for argument in arguments:
        require_sendable(stage, keyword, str(argument))
    return " ".join([keyword, *map(str, arguments)]).encode("utf-8") + b"\r\n"


def require_sendable(stage: Stage, keyword: str, argument: str) -> None:
    """Raises UnsendableArgument; in SASL a NUL would shift what is a name and what a password (RFC 4616 section 2)."""
    if any(char in argument for char in "\r\n\0"):
        raise UnsendableArgument(stage, f"the argument of {keyword} has a line break or a NUL")
    if any("\ud800" <= char <= "\udfff" for char in argument):
        raise UnsendableArgument(stage, f"the argument of {keyword} has half a character (a lone surrogate)")
