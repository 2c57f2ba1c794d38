"""The lines of a body, each with a label: new, quoted or signature."""

import enum
import re
from collections.abc import Iterable

from mailsvc.mime.arrived.htmlroles import Role
from mailsvc.mime.arrived.htmltext import html_to_lines

__all__ = ["MAX_LINES", "Body", "Label", "plain_form"]

MAX_LINES = 20_000  # what is beyond them counts as one line
_MAX_WIDTH = 1000  # characters of a line that patterns see
# Zero-width characters and marks of writing direction; mail programs put them around names and dates.
_INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_DASHES = re.compile("[\u2010-\u2012\u2015\u2500]")
_BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u3000]")


class Label(enum.IntEnum):
    """What a line is to the reader."""

    NEW = 0
    QUOTED = 1
    SIGNATURE = 2


def plain_form(line: str) -> str:
    """Return a line as patterns read it: no invisible characters, plain blanks, none at the edges, of limited length."""
    line = line[:_MAX_WIDTH]
    if not line.isascii():
        line = _DASHES.sub("-", _BLANKS.sub(" ", _INVISIBLE.sub("", line)))
    return line.strip()


class Body:
    """The lines as they came, their plain forms, and a label for each."""

    def __init__(self, lines: Iterable[str], roles: Iterable[Role] = ()) -> None:
        self.lines = list(lines)
        self.plain = [plain_form(line) for line in self.lines]
        self.labels = [Label.NEW] * len(self.lines)
        self.roles = list(roles) or [Role.NONE] * len(self.lines)

    @classmethod
    def of_text(cls, text: str) -> "Body":
        return cls(text.split("\n", MAX_LINES))

    @classmethod
    def of_html(cls, html: str) -> "Body":
        lines = html_to_lines(html, most=MAX_LINES)
        return cls([line.text for line in lines], [line.role for line in lines])

    def __len__(self) -> int:
        return len(self.lines)

    def mark(self, start: int, end: int, label: Label) -> None:
        """Label the lines from ``start`` up to ``end``."""
        self.labels[start:end] = [label] * (min(end, len(self)) - start)

    def split_line(self, index: int, column: int) -> None:
        """Make two lines of one, the second begins at ``column`` of its plain form."""
        plain = self.plain[index]
        self.lines[index : index + 1] = [plain[:column].rstrip(" -_*"), plain[column:]]
        self.plain[index : index + 1] = [plain_form(plain[:column].rstrip(" -_*")), plain_form(plain[column:])]
        self.labels.insert(index, self.labels[index])
        self.roles.insert(index, self.roles[index])

    def next_filled(self, index: int) -> int:
        """The index of the next line that is not blank, from ``index`` on; the number of lines without one."""
        while index < len(self) and not self.plain[index]:
            index += 1
        return index

    def previous_filled(self, index: int) -> int:
        """The index of the last line before ``index`` that is not blank; -1 without one."""
        index -= 1
        while index >= 0 and not self.plain[index]:
            index -= 1
        return index

    def joined(self, label: Label) -> str:
        """Return the lines with this label; a blank line stands where others are left out between them."""
        pieces: list[str] = []
        is_gap = False
        for index, line in enumerate(self.lines):
            if self.labels[index] != label:
                is_gap = bool(pieces)
            elif not is_gap:
                pieces.append(line.rstrip())
            elif self.plain[index]:
                while pieces and not pieces[-1]:
                    pieces.pop()
                pieces += ["", line.rstrip()]
                is_gap = False
        return "\n".join(pieces).strip("\n")
