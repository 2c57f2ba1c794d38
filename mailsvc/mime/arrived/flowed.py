"""Unwraps text of format=flowed (RFC 3676): the paragraphs as they were typed."""

__all__ = ["unwrap_flowed"]

_SIGNATURE = "-- "


def unwrap_flowed(text: str, *, del_sp: bool) -> str:
    """Return the text with LF line breaks and its soft line breaks removed.

    Args:
        text: with LF line breaks.
        del_sp: the parameter DelSp=yes, the space before a soft line break was added by the writer.
    """
    paragraphs: list[str] = []
    pieces: list[str] = []
    open_depth = 0
    for depth, line in map(_unquoted, text.split("\n")):
        # A paragraph ends where the quote depth changes, and at a signature (sections 4.3 and 4.5).
        if pieces and (depth != open_depth or line == _SIGNATURE):
            paragraphs.append(_quoted(open_depth, pieces))
            pieces = []
        is_flowed = line.endswith(" ") and line != _SIGNATURE
        pieces.append(line[:-1] if is_flowed and del_sp else line)
        open_depth = depth
        if not is_flowed:
            paragraphs.append(_quoted(depth, pieces))
            pieces = []
    if pieces:
        paragraphs.append(_quoted(open_depth, pieces))
    return "\n".join(paragraphs)


def _unquoted(line: str) -> tuple[int, str]:
    content = line.lstrip(">")
    return len(line) - len(content), content.removeprefix(" ")


def _quoted(depth: int, pieces: list[str]) -> str:
    content = "".join(pieces)
    return f"{'>' * depth} {content}" if depth and content else ">" * depth + content
