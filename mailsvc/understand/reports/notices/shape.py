"""What a row of the tables of notices says, and the pieces that their patterns are made of."""

import re

import msgspec

__all__ = ["ADDRESS", "BEGINS_LINE", "ENDS", "Shape", "shape"]

# One address, group 1. Notices name what servers accept, whatever RFC 5321 says: dots in a row, other scripts.
ADDRESS = (
    r"(?<![\w.+=/&~%-])((?:\"[^\"\n@]{1,64}\"|[^\s<>()\[\]\"',;:@|`*“”„«»（）「」，。：、]{1,64})"
    r"@(?:[\w-]{1,63}\.){1,12}[\w-]{2,63}(?![\w@]|\.\w))"
)

# Before an address at the beginning of a line, and after one that has a line or a label of its own.
BEGINS_LINE = r"^[ \t>*•-]{0,20}(?:\[?(?:smtp|rfc822|mailto|utf-8)[:;] ?)?[<\"'\[]{0,2}"
ENDS = r"(?=[>\"'\]]{0,2}[ \t]*(?:$|[:;(,\[<]|\.\.\.|- |\.[ \t]*$))"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One form of a notice that is no report of RFC 3464."""

    name: str
    # They recognise the form, and recipients stand behind them. None: behind words of failure, in any notice.
    signs: re.Pattern[str] | None
    recipients: re.Pattern[str] | None = None  # group 1 each; None: they are group 1 of the signs
    is_on_line: bool = False  # the words about a recipient end with its line


def shape(name: str, signs: str | None, recipients: str | None = None, *, is_on_line: bool = False) -> Shape:
    """Make a row. The patterns ignore case, and ``^`` and ``$`` are the ends of a line."""
    return Shape(name=name, signs=_compiled(signs), recipients=_compiled(recipients), is_on_line=is_on_line)


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE) if pattern is not None else None
