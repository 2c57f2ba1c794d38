"""The two drivers of operations: one blocks, one awaits.

``called``, ``awaited`` and their likes make the methods of the two clients of one operation.
"""

import inspect
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache, update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

from mailsvc_sdk import _interception as interception
from mailsvc_sdk._connections import AsyncConnections, Connections
from mailsvc_sdk._errors import TransportError
from mailsvc_sdk._exchange import Exchange, Operation, Pause, Response, Step
from mailsvc_sdk._listing import AsyncListing, Listing, Query
from mailsvc_sdk._options import Options

__all__ = ["AsyncDriver", "Driver", "awaited", "called", "listed", "listed_async"]

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger("mailsvc_sdk")


@dataclass(frozen=True, slots=True)
class Driver:
    """Carries operations out, and blocks meanwhile."""

    options: Options
    connections: Connections

    def run(self, operation: Operation[T]) -> T:
        """Return an operation's result, or raise its error."""
        answer: Response | TransportError | None = None
        while True:
            try:
                step = operation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = self._carry_out(step)

    def _carry_out(self, step: Step) -> Response | TransportError | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        started = time.monotonic()
        answer = self._exchange(step)
        _tell(step, answer, started)
        return answer

    def _exchange(self, step: Exchange) -> Response | TransportError:
        interceptor = interception.current() if self.connections.transport is None else None
        if interceptor is not None:
            return interceptor.respond(step.request)
        self.options.api_key.authorization()
        return self.connections.exchange(step)


@dataclass(frozen=True, slots=True)
class AsyncDriver:
    """Carries operations out, and awaits meanwhile."""

    options: Options
    connections: AsyncConnections

    async def run(self, operation: Operation[T]) -> T:
        """Return an operation's result, or raise its error."""
        answer: Response | TransportError | None = None
        while True:
            try:
                step = operation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = await self._carry_out(step)

    async def _carry_out(self, step: Step) -> Response | TransportError | None:
        if isinstance(step, Pause):
            import asyncio  # noqa: PLC0415 - takes long, and only few programs want it

            await asyncio.sleep(step.seconds)
            return None
        started = time.monotonic()
        answer = await self._exchange(step)
        _tell(step, answer, started)
        return answer

    async def _exchange(self, step: Exchange) -> Response | TransportError:
        interceptor = interception.current() if self.connections.transport is None else None
        if interceptor is not None:
            return interceptor.respond(step.request)
        self.options.api_key.authorization()
        return await self.connections.exchange(step)


def _tell(step: Exchange, answer: Response | TransportError, started: float) -> None:
    if not _log.isEnabledFor(logging.DEBUG):
        return
    status = answer.status if isinstance(answer, Response) else type(answer).__name__
    request_id = answer.headers.get("X-Request-Id") if isinstance(answer, Response) else None
    milliseconds = (time.monotonic() - started) * 1000
    _log.debug(
        "%s %s: %s in %.0f ms (request %s)", step.request.method, step.request.path, status, milliseconds, request_id
    )


@dataclass(frozen=True, slots=True)
class Resource:
    """The methods of a client, by what they are about."""

    _driver: Driver


@dataclass(frozen=True, slots=True)
class AsyncResource:
    """The methods of a client for asyncio, by what they are about."""

    _driver: AsyncDriver


def called(operation: Callable[Concatenate[Options, P], Operation[T]]) -> Callable[Concatenate[Resource, P], T]:
    """Return the blocking method of an operation."""

    def method(self: Resource, /, *args: P.args, **kwargs: P.kwargs) -> T:
        driver = self._driver
        return driver.run(operation(driver.options, *args, **kwargs))

    return _like(operation, method)


def awaited(
    operation: Callable[Concatenate[Options, P], Operation[T]],
) -> Callable[Concatenate[AsyncResource, P], Coroutine[Any, Any, T]]:
    """Return the method of an operation that is awaited."""

    async def method(self: AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> T:
        driver = self._driver
        return await driver.run(operation(driver.options, *args, **kwargs))

    return _like(operation, method)


def listed(
    query: Callable[Concatenate[Options, P], Query[T]],
) -> Callable[Concatenate[Resource, P], Listing[T]]:
    """Return the method that lists what a query finds."""

    def method(self: Resource, /, *args: P.args, **kwargs: P.kwargs) -> Listing[T]:
        driver = self._driver
        return Listing(query(driver.options, *args, **kwargs), driver.run)

    return _like(query, method)


def listed_async(
    query: Callable[Concatenate[Options, P], Query[T]],
) -> Callable[Concatenate[AsyncResource, P], AsyncListing[T]]:
    """Return the method that lists what a query finds, for ``async for``."""

    def method(self: AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> AsyncListing[T]:
        driver = self._driver
        return AsyncListing(query(driver.options, *args, **kwargs), driver.run)

    return _like(query, method)


M = TypeVar("M", bound=Callable[..., Any])


def _like(operation: Callable[..., Any], method: M) -> M:
    update_wrapper(method, operation)  # ``self`` stands where the operation has its options
    if operation.__code__.co_flags & inspect.CO_VARKEYWORDS:
        method.__dict__["__signature__"] = _signature(operation)
    return method


@cache
def _signature(operation: Callable[..., Any]) -> inspect.Signature:
    """Return a function's signature, with the members of a TypedDict in place of its ``**fields``."""
    *parameters, fields = inspect.signature(operation).parameters.values()
    members = fields.annotation.__args__[0].__annotations__.items()
    named = (
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint) for name, hint in members
    )
    return inspect.Signature([*parameters, *named])
