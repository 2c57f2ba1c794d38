"""Encodes header values: encoded words (RFC 2047), parameters (RFC 2231), folding (RFC 5322).

The values are already checked (``domain.fieldtext``); only folding adds line breaks.
"""

import binascii
import re
from functools import lru_cache

from mailsvc import clock
from mailsvc.domain.address import Mailbox
from mailsvc.mime.wire import MAX_LINE

_COLUMNS = 78
_WORD_LINE = 76  # RFC 2047 section 2: a line with an encoded word
_WORD = 75 - len("=?utf-8?q??=")

_CHUNK = re.compile(r"[ \t]*[^ \t]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PLAIN_FILENAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]{1,60}")
# Also legal in a phrase (RFC 2047 section 5 rule 3), so that one table is enough.
_Q = [chr(b) if chr(b).isalnum() or chr(b) in "!+*-/" else f"={b:02X}" for b in range(128)]
_Q += [f"={b:02X}" for b in range(128, 256)]
_Q[32] = "_"
_PERCENT = [chr(b) if b < 128 and (chr(b).isalnum() or chr(b) in "-._~") else f"%{b:02X}" for b in range(256)]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def unstructured(name: str, value: str) -> str:
    """Return the value of a free-text field, folded; ``name`` counts for the first line's length."""
    used = len(name) + 2
    if value.isascii() and "=?" not in value and value == value.strip(" \t"):
        folded = _fold(value, used)
        if folded is not None:
            return folded
    return encoded_words(value, used)


def raw_value(name: str, value: str) -> str:
    """Return the value of a field whose syntax the application knows: ASCII is only folded."""
    used = len(name) + 2
    folded = _fold(value, used) if value.isascii() else None
    return encoded_words(value, used) if folded is None else folded


def _fold(value: str, used: int) -> str | None:
    """Return the value, folded before white space at 78 columns; None if a word would exceed 998."""
    if used + len(value) <= _COLUMNS:
        return value
    lines, line = [], ""
    room = _COLUMNS - used
    for chunk in _CHUNK.findall(value):
        if line and len(line) + len(chunk) > room:
            lines.append(line)
            line, room = chunk, _COLUMNS
        else:
            line += chunk
    lines.append(line)
    longest = max(len(lines[0]) + used, *map(len, lines))
    return "\r\n".join(lines) if longest <= MAX_LINE else None


def encoded_words(text: str, used: int) -> str:
    """Return the text as RFC 2047 words in UTF-8, B or Q, whichever is shorter; ``used`` columns are already used."""
    data = text.encode()
    quoted = [_Q[byte] for byte in data]
    if sum(map(len, quoted)) <= (len(data) + 2) // 3 * 4:
        return _words(data, [len(q) for q in quoted], used, "q")
    return _words(data, [], used, "b")


def _words(data: bytes, widths: list[int], used: int, kind: str) -> str:
    words: list[str] = []
    start = 0
    room = max(_WORD_LINE - used - len("=?utf-8?q??="), 12)
    while start < len(data) or not words:
        stop = _cut(data, start, min(room, _WORD), widths)
        piece = data[start:stop]
        body = "".join([_Q[b] for b in piece]) if widths else binascii.b2a_base64(piece, newline=False).decode("ascii")
        words.append(f"=?utf-8?{kind}?{body}?=")
        start, room = stop, _WORD
    return "\r\n ".join(words)


def _cut(data: bytes, start: int, room: int, widths: list[int]) -> int:
    """The last possible end of a word that begins at ``start``, without splitting a character (RFC 2047 section 5)."""
    if not widths:
        stop = start + room // 4 * 3
    else:
        stop, taken = start, 0
        while stop < len(data) and taken + widths[stop] <= room:
            taken += widths[stop]
            stop += 1
    if stop >= len(data):
        return len(data)
    while data[stop] & 0xC0 == 0x80:
        stop -= 1
    return stop


def address_list(name: str, mailboxes: tuple[Mailbox, ...]) -> str:
    """Return the value of From, To, Cc or Reply-To, folded after commas."""
    used = len(name) + 2
    lines: list[str] = []
    line = ""
    for mailbox in mailboxes:
        text = _mailbox(mailbox, used if not lines and not line else 1)
        if line and used + len(line) + len(text) + 3 > _COLUMNS:
            lines.append(line + ",")
            line, used = text, 1
        else:
            line = f"{line}, {text}" if line else text
    return "\r\n ".join([*lines, line])


def _mailbox(mailbox: Mailbox, used: int) -> str:
    name = mailbox.name
    if name is None:
        return f"{mailbox.local}@{mailbox.domain}"
    if name.isascii() and len(name) <= _COLUMNS - 20 and "=?" not in name:
        if not _PLAIN_NAME.fullmatch(name):
            name = quoted_string(name)
        return f"{name} <{mailbox.local}@{mailbox.domain}>"
    # A line with an encoded word has at most 76 columns, so the address moves to the next line.
    phrase = encoded_words(name, used)
    separator = " " if used + len(phrase) + len(mailbox.addr) + 3 <= _WORD_LINE else "\r\n "
    return f"{phrase}{separator}<{mailbox.addr}>"


def quoted_string(text: str) -> str:
    """Return the text as a quoted string (RFC 5322 section 3.2.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def filename_parameter(filename: str) -> str:
    """Return ``; filename="…"``, or the extended form of RFC 2231, in pieces if it is long."""
    if _PLAIN_FILENAME.fullmatch(filename) and not filename.startswith(" ") and not filename.endswith(" "):
        return f';\r\n filename="{filename}"'
    pieces, piece = [], "utf-8''"
    for byte in filename.encode():
        if len(piece) > 55:
            pieces.append(piece)
            piece = ""
        piece += _PERCENT[byte]
    if not pieces:
        return f";\r\n filename*={piece}"
    return "".join([f";\r\n filename*{i}*={p}" for i, p in enumerate([*pieces, piece])])


def identifiers(ids: tuple[str, ...]) -> str:
    """Return the value of References; if there are several identifiers, one per line."""
    return "\r\n ".join(ids)


def date_time(instant: int) -> str:
    """Return the instant as in RFC 5322 section 3.3, in UTC, whatever the locale."""
    return _date_time(instant // clock.SECOND)


@lru_cache(maxsize=16)
def _date_time(second: int) -> str:
    moment = clock.as_datetime(second * clock.SECOND)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day} {month} {moment.year:04d} {moment:%H:%M:%S} +0000"
