"""Marks the quoted lines of a body: those behind ``>``, and those below an attribution or a repeated header."""

import re
from dataclasses import dataclass

from mailsvc.mime.arrived.htmlroles import Role
from mailsvc.understand.replies.attribution import (
    attribution_ending_at,
    closes_address,
    inline_attribution,
    may_end_attribution,
)
from mailsvc.understand.replies.dividers import (
    has_forward_sentence,
    has_reply_above_line,
    is_divider,
    is_forward_divider,
    is_forward_sentence,
    is_reply_above_line,
    is_rule,
    may_be_divider,
)
from mailsvc.understand.replies.headerblock import header_block_end, is_header_line, may_begin_header_block
from mailsvc.understand.replies.lines import Body, Label

__all__ = ["Quotations", "mark_quotations"]

_MAX_CANDIDATES = 500  # lines that are looked at closely, so that a hostile text costs no more than a long one
_FIRST, _LAST = frozenset("-_=*~#—–─[(>"), frozenset("-=")
_LINK_ALONE = re.compile(r"[(<\[]?https?://\S{1,500}(?: ?>)?")


@dataclass(slots=True)
class Quotations:
    """What the first quotation is: ``has_header`` a whole mail with its header, ``is_forward`` one that is passed on."""

    found: bool = False
    has_header: bool = False
    is_forward: bool = False


def mark_quotations(body: Body) -> Quotations:
    """Label what is quoted, and say what the first quotation is."""
    scan = _Scan(body)
    scan.run()
    return scan.quotations


def _is_none(_: str) -> bool:
    return False


def _is_unusual(plain: str) -> bool:
    """Whether the line has what attributions, headers and dividers have, and few other lines."""
    return ":" in plain or plain[0] in _FIRST or plain[-1] in _LAST or "：" in plain


def _is_sentence(plain: str) -> bool:
    return is_forward_sentence(plain) or is_reply_above_line(plain)


class _Scan:
    """One pass over the lines; it ends where a quotation without ``>`` begins, because that takes the rest."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._candidates = 0
        text = "\n".join(body.plain).lower()
        has_above, has_forward = has_reply_above_line(text), has_forward_sentence(text)
        self._is_reply_above = is_reply_above_line if has_above else _is_none
        self._is_sentence = _is_sentence if has_above or has_forward else _is_none
        self.quotations = Quotations()

    def run(self) -> None:
        index = 0
        while index < len(self._body):
            index = self._step(index)

    def _step(self, index: int) -> int:
        plain = self._body.plain[index]
        role = self._body.roles[index]
        if not plain:
            return index + 1
        if _is_quoted(self._body, index):
            return self._prefixed(index)
        if role in (Role.REST, Role.SIGNATURE, Role.ATTRIBUTION):
            return self._named(index, role)
        if not (_is_unusual(plain) or self._is_sentence(plain)):
            return index + 1  # as most lines
        if not self._is_candidate(plain):
            return self._inline(index) or index + 1
        self._candidates += 1
        return self._divider(index) or self._header(index) or self._attribution(index) or index + 1

    def _is_candidate(self, plain: str) -> bool:
        if self._candidates >= _MAX_CANDIDATES:
            return False
        return (
            may_end_attribution(plain)
            or may_begin_header_block(plain)
            or may_be_divider(plain)
            or self._is_reply_above(plain)
        )

    def _prefixed(self, start: int) -> int:
        """Lines behind ``>``, and an attribution above that said too little to be one without them."""
        if not self.quotations.found and is_forward_divider(self._body.plain[start]):
            self._note(is_forward=True, has_header=True)
        above = self._body.previous_filled(start)
        is_near = above >= 0 and start - above <= 3 and self._body.labels[above] == Label.NEW
        if is_near and self._candidates < _MAX_CANDIDATES:
            self._candidates += 1
            start += self._quote_attribution(above, is_before_quote=True)
        self._note()
        return self._quote_run(start)

    def _named(self, index: int, role: Role) -> int:
        """A line in an element whose name says what it is."""
        if role == Role.REST:
            self._note(has_header=True)
            return self._quote_rest(index)
        if role == Role.ATTRIBUTION:
            return self._divider(index) or self._named_attribution(index)
        self._body.mark(index, index + 1, Label.SIGNATURE)
        return index + 1

    def _named_attribution(self, start: int) -> int:
        end = start
        while end < len(self._body) and self._body.roles[end] == Role.ATTRIBUTION:
            end += 1
        self._note()
        self._body.mark(start, end, Label.QUOTED)
        following = self._body.next_filled(end)
        return self._quote_run(following) if self._is_quotation(following) else end

    def _divider(self, index: int) -> int:
        """A line that says that a mail follows."""
        plain = self._body.plain[index]
        if is_forward_divider(plain):
            self._note(is_forward=True, has_header=True)
            return self._quote_rest(index)
        if self._is_reply_above(plain) or is_divider(plain):
            self._note(has_header=True)
            return self._quote_below(index, self._introduction_end(index + 1))
        return 0

    def _introduction_end(self, start: int) -> int:
        """Where the header or the attribution ends that stands below a divider, if there is one."""
        following = self._body.next_filled(start)
        if following < len(self._body) and (end := header_block_end(self._body, following, is_announced=True)):
            return end
        for index in range(following, min(following + 3, len(self._body))):
            if attribution_ending_at(self._body, index, is_before_quote=True):
                return index + 1
        return start

    def _header(self, index: int) -> int:
        if not may_begin_header_block(self._body.plain[index]):
            return 0
        above = self._body.previous_filled(index)
        is_announced = above >= 0 and is_rule(self._body.plain[above])
        end = header_block_end(self._body, index, is_announced=is_announced)
        if end is None and is_header_line(self._body.plain[index]):
            end = index + 1
        if end is None:
            return 0
        self._note(has_header=True)
        return self._quote_below(index, end)

    def _attribution(self, index: int) -> int:
        following = self._body.next_filled(index + 1)
        is_before_quote = self._is_quotation(following)
        added = self._quote_attribution(index, is_before_quote=is_before_quote)
        if self._body.labels[index + added] != Label.QUOTED:
            return 0
        self._note()
        return self._quote_below(index + added, index + added + 1)

    def _inline(self, index: int) -> int:
        """A line that a program made of several, so that quoted words stand behind the attribution."""
        column = inline_attribution(self._body.plain[index]) if self._candidates < _MAX_CANDIDATES else None
        if column is None:
            return 0
        self._candidates += 1
        self._note()
        if column:
            self._body.split_line(index, column)
        return self._quote_rest(index + (column > 0))

    def _quote_attribution(self, end: int, *, is_before_quote: bool) -> int:
        """Label the attribution that ends here, if it is one; return how many lines were added before it."""
        found = attribution_ending_at(self._body, end, is_before_quote=is_before_quote)
        if found is None:
            return 0
        added = int(found.column > 0)
        if added:
            self._body.split_line(found.start, found.column)
        self._body.mark(self._rules_above(found.start + added), end + added + 1, Label.QUOTED)
        return added

    def _quote_below(self, start: int, end: int) -> int:
        """The lines behind ``>`` that follow; without any, everything that follows."""
        following = self._body.next_filled(end)
        if self._is_quotation(following):
            self._body.mark(self._rules_above(start), following, Label.QUOTED)
            return self._quote_run(following)
        return self._quote_rest(start)

    def _quote_rest(self, start: int) -> int:
        self._body.mark(self._rules_above(start), len(self._body), Label.QUOTED)
        return len(self._body)

    def _quote_run(self, start: int) -> int:
        index = start
        while index < len(self._body):
            following = self._body.next_filled(index)
            if following >= len(self._body) or not self._belongs(following):
                break
            index = following + 1
        self._body.mark(start, index, Label.QUOTED)
        return index

    def _belongs(self, index: int) -> bool:
        """Whether the line goes on with the quotation: behind ``>``, or what a program wrapped off such a line."""
        if self._is_quotation(index):
            return True
        plain, following = self._body.plain[index], index + 1
        if following >= len(self._body) or not _is_quoted(self._body, following):
            return False
        above = self._body.plain[index - 1]
        is_wrapped = plain[:1].islower() and len(above) >= 66 and len(plain) < 40
        return _LINK_ALONE.fullmatch(plain) is not None or (is_wrapped and above.startswith(">"))

    def _is_quotation(self, index: int) -> bool:
        """Whether the line is quoted, now that it is known who wrote it."""
        return index < len(self._body) and (_is_quoted(self._body, index) or self._body.roles[index] == Role.INDENTED)

    def _rules_above(self, start: int) -> int:
        """Where the horizontal lines above begin, if there are any."""
        above = self._body.previous_filled(start)
        return above if above >= 0 and is_rule(self._body.plain[above]) else start

    def _note(self, *, has_header: bool = False, is_forward: bool = False) -> None:
        if not self.quotations.found:
            self.quotations = Quotations(found=True, has_header=has_header, is_forward=is_forward)


def _is_quoted(body: Body, index: int) -> bool:
    if body.roles[index]:
        return body.roles[index] == Role.QUOTED
    plain = body.plain[index]
    if not plain.startswith(">"):
        return False
    if closes_address(body, index):
        return False
    # A line that begins with "From " is stored with ">" in mailbox files.
    return not plain.startswith(">From ") or (index > 0 and body.plain[index - 1].startswith(">"))
