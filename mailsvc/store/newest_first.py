"""Lists of rows, newest first, in pages: an id that was made later is greater."""

from typing import Any

from sqlalchemy import ColumnElement, Select

__all__ = ["newest_first"]


def newest_first(wanted: Select[Any], id_: ColumnElement[str], *, before: str | None, limit: int) -> Select[Any]:
    """Select one page of these rows.

    Args:
        id_: the column that orders them.
        before: only rows below this id; None for the first page.
        limit: rows at most.
    """
    if before is not None:
        wanted = wanted.where(id_ < before)
    return wanted.order_by(id_.desc()).limit(limit)
