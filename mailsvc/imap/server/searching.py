"""SEARCH (RFC 3501 section 6.4.4): from search keys to a condition."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from mailsvc.imap.server.arguments import Arguments
from mailsvc.imap.server.folder import StoredMail
from mailsvc.imap.server.limits import MOST_KEYS
from mailsvc.imap.server.refused import Refused
from mailsvc.imap.server.selected import SelectedFolder

__all__ = ["parse_criteria"]

Condition = Callable[[StoredMail], bool]

_SET = re.compile(rb"[0-9*][0-9*:,]*")
_FLAGS = ("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN")
_FIELDS = ("BCC", "CC", "FROM", "SUBJECT", "TO")
_DAY = 86_400  # seconds
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_criteria(arguments: Arguments, selected: SelectedFolder) -> Condition:
    """Return the condition that all of these keys make. Raises Refused."""
    return _Keys(selected).all_of(arguments)


class _Keys:
    def __init__(self, selected: SelectedFolder) -> None:
        self._selected = selected
        self._count = 0

    def all_of(self, arguments: Arguments) -> Condition:
        conditions = []
        while arguments:
            conditions.append(self._key(arguments))
        return lambda mail: all(condition(mail) for condition in conditions)

    def _key(self, arguments: Arguments) -> Condition:
        self._count += 1
        if self._count > MOST_KEYS:
            raise Refused("too many search keys")
        if arguments.peek_is_list():
            return self.all_of(Arguments(arguments.list()))
        word = arguments.string()
        if _SET.fullmatch(word):
            return self._among(word, by_uid=False)
        key = word.decode("ascii", "replace").upper()
        condition = self._of_flag(key) or self._combined(key, arguments) or self._of_mail(key, arguments)
        if condition is None:
            raise Refused(f"{key} can't be searched for on this small server")
        return condition

    def _among(self, wanted: bytes, *, by_uid: bool) -> Condition:
        uids = set(self._selected.find(wanted, by_uid=by_uid))
        return lambda mail: mail.uid in uids

    def _of_flag(self, key: str) -> Condition | None:
        name = key.removeprefix("UN")
        if name in _FLAGS:
            flag, is_set = f"\\{name.title()}", not key.startswith("UN")
            return lambda mail: (flag in mail.flags) is is_set
        if key in ("ALL", "OLD"):  # no mail is \Recent here
            return lambda _: True
        return (lambda _: False) if key in ("RECENT", "NEW") else None

    def _combined(self, key: str, arguments: Arguments) -> Condition | None:
        if key == "NOT":
            inner = self._key(arguments)
            return lambda mail: not inner(mail)
        if key == "OR":
            one, other = self._key(arguments), self._key(arguments)
            return lambda mail: one(mail) or other(mail)
        return self._among(arguments.string(), by_uid=True) if key == "UID" else None

    def _of_mail(self, key: str, arguments: Arguments) -> Condition | None:
        if key in ("SINCE", "BEFORE", "ON"):
            return _dated(key, _day(arguments.string()))
        if key in ("LARGER", "SMALLER"):
            size = _number(arguments.string())
            return lambda mail: mail.size > size if key == "LARGER" else mail.size < size
        if key in _FIELDS:
            return self._with_field(key.encode(), arguments.string())
        if key == "HEADER":
            return self._with_field(arguments.string(), arguments.string())
        return self._with_text(arguments.string()) if key == "TEXT" else None

    def _with_field(self, name: bytes, wanted: bytes) -> Condition:
        pattern = re.compile(rb"^" + re.escape(name) + rb":([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)

        def has(mail: StoredMail) -> bool:
            header = re.split(rb"\r?\n\r?\n", self._selected.folder.read(mail.uid) or b"", maxsplit=1)[0]
            return any(wanted.lower() in value.lower() for value in pattern.findall(header))

        return has

    def _with_text(self, wanted: bytes) -> Condition:
        return lambda mail: wanted.lower() in (self._selected.folder.read(mail.uid) or b"").lower()


def _dated(key: str, day: float) -> Condition:
    end = day + _DAY
    match key:
        case "SINCE":
            return lambda mail: mail.received_at >= day
        case "BEFORE":
            return lambda mail: mail.received_at < day
    return lambda mail: day <= mail.received_at < end


def _day(text: bytes) -> float:
    day, _, rest = text.decode("ascii", "replace").partition("-")
    month, _, year = rest.partition("-")
    try:
        return datetime(int(year), _MONTHS.index(month.title()) + 1, int(day), tzinfo=UTC).timestamp()
    except ValueError as error:
        raise Refused("not a date") from error


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > 10:
        raise Refused("not a number")
    return int(text)
