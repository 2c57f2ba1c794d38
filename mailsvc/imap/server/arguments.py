"""Reads the arguments of a command: atoms, strings, literals and lists (RFC 3501 section 4)."""

import re
from collections.abc import Iterator

from mailsvc.imap.server.limits import MOST_DEPTH
from mailsvc.imap.server.refused import Refused

__all__ = ["LITERAL", "Argument", "Arguments", "Text", "parse_arguments"]

LITERAL = re.compile(rb"\{([0-9]{1,9})(\+?)\}\r?\n?\Z")  # at the end of a line (RFC 7888)
_LITERAL = re.compile(rb"\{([0-9]{1,9})\+?\}\r?\n")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"')
# An atom may have a section in brackets, with spaces and lists: BODY[HEADER.FIELDS (TO)]<0.9>
_ATOM = re.compile(rb'[^\s(){"\[\]]+(?:\[[^\]\r\n]*\](?:<[0-9.]*>)?)?')


class Text(bytes):
    """A quoted string or a literal."""

    __slots__ = ()


Argument = bytes | list["Argument"]


def parse_arguments(line: bytes) -> list[Argument]:
    """Return the arguments in a line, which contains its literals. Raises Refused."""
    reader = _Reader(line)
    found = list(reader.arguments(0))
    if reader.position < len(line):
        raise Refused("unexpected )")
    return found


class _Reader:
    def __init__(self, line: bytes) -> None:
        self._line = line
        self.position = 0

    def arguments(self, depth: int) -> Iterator[Argument]:
        """Up to the end of the list."""
        while self.position < len(self._line):
            start = self._line[self.position : self.position + 1]
            if start == b" ":
                self.position += 1
            elif start == b")":
                return
            else:
                yield self._list(depth + 1) if start == b"(" else self._string(start)

    def _list(self, depth: int) -> Argument:
        if depth > MOST_DEPTH:
            raise Refused("too many lists within lists")
        self.position += 1
        found = list(self.arguments(depth))
        if self.position >= len(self._line):
            raise Refused("a list has no end")
        self.position += 1
        return found

    def _string(self, start: bytes) -> bytes:
        if start == b'"' and (quoted := _QUOTED.match(self._line, self.position)):
            self.position = quoted.end()
            return Text(re.sub(rb"\\(.)", rb"\1", quoted[1]))
        if start == b"{" and (literal := _LITERAL.match(self._line, self.position)):
            self.position = literal.end() + int(literal[1])
            return Text(self._line[literal.end() : self.position])
        if atom := _ATOM.match(self._line, self.position):
            self.position = atom.end()
            return atom[0]
        raise Refused("an argument can't be read")


class Arguments:
    """The arguments of a command, taken one after the other. All methods raise Refused."""

    def __init__(self, arguments: list[Argument]) -> None:
        self._left = arguments[::-1]

    def __bool__(self) -> bool:
        return bool(self._left)

    def next(self) -> Argument:
        if not self._left:
            raise Refused("an argument is missing")
        return self._left.pop()

    def string(self) -> bytes:
        """The next one, which is no list."""
        found = self.next()
        if isinstance(found, list):
            raise Refused("a list where a string belongs")
        return found

    def word(self) -> str:
        """The next one, in upper case."""
        return self.string().decode("ascii", "replace").upper()

    def list(self) -> list[Argument]:
        """The next one; one that is no list is a list of one."""
        found = self.next()
        return found if isinstance(found, list) else [found]

    def peek_is_list(self) -> bool:
        return bool(self._left) and isinstance(self._left[-1], list)

    def skip_word(self, word: str) -> bool:
        """Skip the next one, if it is this word. Returns whether it was."""
        is_it = bool(self._left) and isinstance(self._left[-1], bytes) and self._left[-1].upper() == word.encode()
        if is_it:
            self._left.pop()
        return is_it

    def end(self) -> None:
        """There is nothing more."""
        if self._left:
            raise Refused("too many arguments")
