"""Lists: newest first, with ``?limit=`` and ``?cursor=``; a cursor stays valid while rows are added."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request

from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.ids import is_id

__all__ = ["PAGING", "Page", "listing", "requested_limit", "requested_page"]

DEFAULT, MOST = 50, 200
PAGING = {
    "limit": f"The largest number of objects to return, from 1 to {MOST}; {DEFAULT} by default.",
    "cursor": "The `next_cursor` of the previous page.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """The requested part of a list: at most ``limit`` entries whose id is below ``before``."""

    limit: int
    before: str | None

    @property
    def fetch(self) -> int:
        """The number of rows to fetch: one more than the limit, which shows whether there is another page."""
        return self.limit + 1


def requested_page(prefix: str) -> Page:
    """The page that the request selects; ids of the list begin with ``prefix``. Raises Invalid."""
    limit, cursor = requested_limit(), request.args.get("cursor")
    if cursor is not None and not is_id(cursor, prefix):
        raise Invalid(FieldError("cursor", "is not a next_cursor of this list"))
    return Page(limit, cursor)


def requested_limit() -> int:
    """The number of entries that the request selects. Raises Invalid."""
    text = request.args.get("limit", str(DEFAULT))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if not 1 <= limit <= MOST:
        raise Invalid(FieldError("limit", f"must be a number from 1 to {MOST}"))
    return limit


def listing(
    rows: Sequence[Any], page: Page, show: Callable[[Any], dict[str, Any]], *, key: str = "id"
) -> dict[str, Any]:
    """Return the response for rows that were fetched in descending order of ``key``, up to ``page.fetch`` of them."""
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    return {"data": [show(row) for row in shown], "next_cursor": getattr(shown[-1], key) if more else None}
