"""Finds the recipients in a notice, and the words about each, by the tables of shapes."""

import re
from collections.abc import Iterator

from mailsvc.mime.arrived import addresses_in
from mailsvc.understand.reports.diagnosis import has_code
from mailsvc.understand.reports.material import Header, Material
from mailsvc.understand.reports.notices.phrases import FAILED, lowered
from mailsvc.understand.reports.notices.sender import is_by_mail_system
from mailsvc.understand.reports.notices.shape import Shape
from mailsvc.understand.reports.notices.table import BY_ANYONE, LISTS, SHAPES, VAGUE
from mailsvc.understand.reports.notices.words import spoken

__all__ = ["Found", "find_recipients", "words_about"]

_MOST = 1000  # recipients
_DESK = re.compile(r"(?:postmaster|abuse|support|help|helpdesk|hostmaster|mailer-daemon|noc|servicedesk)[\w.+-]{0,20}@")

Found = list[tuple[str, str]]  # each recipient with the words about it


def find_recipients(material: Material, notice: str, returned: Header) -> Found:
    """Return the recipients that a notice is about.

    Args:
        returned: the header of the message that it returns.
    """
    own = _own_addresses(material)
    if not is_by_mail_system(material):
        return _by_shapes(BY_ANYONE, notice, own)
    found = _by_shapes(SHAPES, notice, own)
    if not found and (named := addresses_in(material.header.get("x-failed-recipients", ""))):
        found = [(address, notice) for address in named]
    if not found:
        found = [one for one in _by_shapes(VAGUE, notice, own) if one[0].lower() not in own and not _DESK.match(one[0])]
    if not found and len(to := addresses_in(returned.get("to", ""))) == 1:
        found = [(to[0], notice)]
    return found


def words_about(notice: str) -> dict[str, str]:
    """Return what a text for people says about each address, by the address in lower case."""
    return {address.lower(): spoken(words) for address, words in _by_shapes(LISTS, notice, frozenset())}


def _own_addresses(material: Material) -> frozenset[str]:
    """Who gets and who sends the notice: their addresses stand in many, and they are seldom those that failed."""
    header = material.header
    named = [*addresses_in(header.get("from", "")), *addresses_in(header.get("to", ""))]
    return frozenset(address.lower() for address in named)


def _by_shapes(forms: tuple[Shape, ...], notice: str, own: frozenset[str]) -> Found:
    return next((found for form in forms if (found := _by_shape(form, notice, own))), [])


def _by_shape(form: Shape, notice: str, own: frozenset[str]) -> Found:
    matches = list(_matches(form, notice))
    matches = [match for match in matches if match[1].lower() not in own] or matches
    firsts: dict[str, re.Match[str]] = {}
    for match in matches[:_MOST]:
        firsts.setdefault(match[1].lower(), match)
    starts = [*(match.start() for match in firsts.values()), len(notice)]
    whole = notice if len(firsts) == 1 else ""
    return [
        (match[1], _line_of(match) if form.is_on_line else _words(notice[match.end(1) : starts[n + 1]], whole))
        for n, match in enumerate(firsts.values())
    ]


def _matches(form: Shape, notice: str) -> Iterator[re.Match[str]]:
    if form.recipients is None and form.signs:
        yield from form.signs.finditer(notice)
    elif form.recipients and (begin := _begin(form, notice)) is not None:
        yield from form.recipients.finditer(notice, begin)


def _begin(form: Shape, notice: str) -> int | None:
    """Return where the recipients of a form are looked for; None if the notice has another form."""
    if form.signs is None:
        failed = FAILED.search(lowered(notice))
        return failed.end() if failed else 0
    signs = form.signs.search(notice)
    return signs.end() if signs else None


def _line_of(match: re.Match[str]) -> str:
    text = match.string
    end = text.find("\n", match.end())
    return text[text.rfind("\n", 0, match.start(1)) + 1 : end if end >= 0 else None]


def _words(words: str, whole: str) -> str:
    """The words about a recipient stand behind it, up to the next one; those before the only one may count, too."""
    return whole if has_code(whole) and not has_code(words) else words
