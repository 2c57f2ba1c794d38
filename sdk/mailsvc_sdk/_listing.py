"""Lists that page by themselves."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from mailsvc_sdk._call import call
from mailsvc_sdk._exchange import Operation, Request
from mailsvc_sdk._options import Options

__all__ = ["AsyncListing", "Listing", "Page", "Query"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; ``next_cursor`` is None after the last one."""

    data: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """What to list.

    Args:
        limit: how many items at most in all.
    """

    options: Options
    path: str
    decode: Callable[[Mapping[str, Any]], T]
    params: tuple[tuple[str, str], ...] = ()
    page_size: int = 200
    limit: int | None = None
    cursor: str | None = None

    def page(self, cursor: str | None, taken: int) -> Operation[Page[T]]:
        """Return the page behind a cursor, when this many items are there already."""
        size = self.page_size if self.limit is None else min(self.page_size, self.limit - taken)
        position = (("cursor", cursor),) if cursor else ()
        params = (*self.params, ("limit", str(size)), *position)
        document = (yield from call(self.options, Request("GET", self.path, params))).json()
        data = tuple(self.decode(entry) for entry in document["data"])
        return Page(data, document["next_cursor"])

    def one(self) -> "Query[T]":
        """Return the query for the first item alone."""
        return replace(self, limit=1)


class Listing(Generic[T]):
    """An iterable of all items. It asks for nothing before the first one, and can be iterated again."""

    def __init__(self, query: Query[T], run: Callable[[Operation[Page[T]]], Page[T]]) -> None:
        self._query, self._run = query, run

    def pages(self) -> Iterator[Page[T]]:
        """Return the pages."""
        cursor, taken = self._query.cursor, 0
        while self._query.limit is None or taken < self._query.limit:
            page = self._run(self._query.page(cursor, taken))
            cursor, taken = page.next_cursor, taken + len(page.data)
            yield page
            if cursor is None:
                return

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.data

    def first(self) -> T | None:
        """Return the first item, or None if there is none."""
        return next(iter(Listing(self._query.one(), self._run)), None)


class AsyncListing(Generic[T]):
    """An async iterable of all items. It asks for nothing before the first one, and can be iterated again."""

    def __init__(self, query: Query[T], run: Callable[[Operation[Page[T]]], Awaitable[Page[T]]]) -> None:
        self._query, self._run = query, run

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Return the pages."""
        cursor, taken = self._query.cursor, 0
        while self._query.limit is None or taken < self._query.limit:
            page = await self._run(self._query.page(cursor, taken))
            cursor, taken = page.next_cursor, taken + len(page.data)
            yield page
            if cursor is None:
                return

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.data:
                yield item

    async def first(self) -> T | None:
        """Return the first item, or None if there is none."""
        async for item in AsyncListing(self._query.one(), self._run):
            return item
        return None
