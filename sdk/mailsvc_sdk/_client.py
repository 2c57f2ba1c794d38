"""``Mailsvc`` and ``AsyncMailsvc``."""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mailsvc_sdk import _async_resources as aio
from mailsvc_sdk import _resources as blocking
from mailsvc_sdk._connections import AsyncConnections, Connections, Network
from mailsvc_sdk._drivers import AsyncDriver, Driver
from mailsvc_sdk._exchange import Response
from mailsvc_sdk._operations import service
from mailsvc_sdk._options import NOT_GIVEN, ApiKey, NotGiven, Options, Retry, Timeouts, is_loopback, service_url

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["AsyncMailsvc", "Mailsvc"]


class Mailsvc:
    """A client of mailsvc. One may be used from any number of threads, and after a fork.

    It makes no connection before the first call; a missing key is told then.

    Args:
        url: by default ``MAILSVC_URL``, else ``http://127.0.0.1:8025``. May have a path.
        api_key: by default ``MAILSVC_API_KEY``, or what the file ``MAILSVC_API_KEY_FILE`` holds.
        timeout: seconds for every phase of one attempt, or ``Timeouts``; None waits for ever.
        retry: a number of attempts after the first, or ``Retry``; None for a single attempt.
        headers: are sent with every request.
        verify: the CAs to trust: a context, the path of a PEM file, or False for any certificate.
        transport: what sends the requests, in place of the network.

    Raises ValueError for a malformed URL.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float | Timeouts | None = Timeouts(),  # noqa: B008 - immutable
        retry: Retry | int | None = Retry(),  # noqa: B008 - immutable
        headers: Mapping[str, str] | None = None,
        verify: "ssl.SSLContext | str | bool" = True,
        transport: "httpx2.BaseTransport | None" = None,
    ) -> None:
        where = service_url(url)
        options = Options(where, ApiKey.of(api_key), Timeouts.of(timeout), Retry.of(retry), dict(headers or {}))
        network = Network(verify, use_proxies=not is_loopback(where))
        self._take(Driver(options, Connections(network, transport)), owns=True)

    def _take(self, driver: Driver, *, owns: bool) -> None:
        self._driver, self._owns = driver, owns
        self.messages = blocking.Messages(driver)
        self.events = blocking.Events(driver)
        self.inbound = blocking.Inbound(driver)
        self.mailboxes = blocking.Mailboxes(driver)
        self.relays = blocking.Relays(driver)
        self.webhooks = blocking.Webhooks(driver)
        self.submissions = blocking.Submissions(driver)
        self.suppressions = blocking.Suppressions(driver)
        self.keys = blocking.Keys(driver)
        self.send = self.messages.send
        self.send_raw = self.messages.send_raw
        self.send_batch = self.messages.send_batch

    def with_options(
        self,
        *,
        timeout: float | Timeouts | NotGiven | None = NOT_GIVEN,
        retry: Retry | int | NotGiven | None = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
        api_key: str | NotGiven = NOT_GIVEN,
    ) -> Self:
        """Return a view with other options on the same connections. Closing it closes nothing."""
        view = type(self).__new__(type(self))
        options = self._driver.options.but(timeout=timeout, retry=retry, headers=headers, api_key=api_key)
        view._take(Driver(options, self._driver.connections), owns=False)
        return view

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Carry out an operation that this package does not know, with its errors and retries.

        Args:
            path: such as ``/v1/messages``.
        """
        asked = service.request(
            self._driver.options, method, path, json=json, content=content, params=params, headers=headers
        )
        return self._driver.run(asked)

    def ready(self) -> bool:
        """Whether the service is ready (``/readyz``). Never raises for a service that is not there."""
        return self._driver.run(service.ready(self._driver.options))

    def close(self) -> None:
        """Close the connections. Later calls raise RuntimeError."""
        if self._owns:
            self._driver.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._driver.options.url!r})"


class AsyncMailsvc:
    """A client of mailsvc for asyncio. One may be used from several event loops, and after a fork.

    It makes no connection before the first call; a missing key is told then.

    Args:
        url: by default ``MAILSVC_URL``, else ``http://127.0.0.1:8025``. May have a path.
        api_key: by default ``MAILSVC_API_KEY``, or what the file ``MAILSVC_API_KEY_FILE`` holds.
        timeout: seconds for every phase of one attempt, or ``Timeouts``; None waits for ever.
        retry: a number of attempts after the first, or ``Retry``; None for a single attempt.
        headers: are sent with every request.
        verify: the CAs to trust: a context, the path of a PEM file, or False for any certificate.
        transport: what sends the requests, in place of the network.

    Raises ValueError for a malformed URL.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float | Timeouts | None = Timeouts(),  # noqa: B008 - immutable
        retry: Retry | int | None = Retry(),  # noqa: B008 - immutable
        headers: Mapping[str, str] | None = None,
        verify: "ssl.SSLContext | str | bool" = True,
        transport: "httpx2.AsyncBaseTransport | None" = None,
    ) -> None:
        where = service_url(url)
        options = Options(where, ApiKey.of(api_key), Timeouts.of(timeout), Retry.of(retry), dict(headers or {}))
        network = Network(verify, use_proxies=not is_loopback(where))
        self._take(AsyncDriver(options, AsyncConnections(network, transport)), owns=True)

    def _take(self, driver: AsyncDriver, *, owns: bool) -> None:
        self._driver, self._owns = driver, owns
        self.messages = aio.AsyncMessages(driver)
        self.events = aio.AsyncEvents(driver)
        self.inbound = aio.AsyncInbound(driver)
        self.mailboxes = aio.AsyncMailboxes(driver)
        self.relays = aio.AsyncRelays(driver)
        self.webhooks = aio.AsyncWebhooks(driver)
        self.submissions = aio.AsyncSubmissions(driver)
        self.suppressions = aio.AsyncSuppressions(driver)
        self.keys = aio.AsyncKeys(driver)
        self.send = self.messages.send
        self.send_raw = self.messages.send_raw
        self.send_batch = self.messages.send_batch

    def with_options(
        self,
        *,
        timeout: float | Timeouts | NotGiven | None = NOT_GIVEN,
        retry: Retry | int | NotGiven | None = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
        api_key: str | NotGiven = NOT_GIVEN,
    ) -> Self:
        """Return a view with other options on the same connections. Closing it closes nothing."""
        view = type(self).__new__(type(self))
        options = self._driver.options.but(timeout=timeout, retry=retry, headers=headers, api_key=api_key)
        view._take(AsyncDriver(options, self._driver.connections), owns=False)
        return view

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Carry out an operation that this package does not know, with its errors and retries.

        Args:
            path: such as ``/v1/messages``.
        """
        asked = service.request(
            self._driver.options, method, path, json=json, content=content, params=params, headers=headers
        )
        return await self._driver.run(asked)

    async def ready(self) -> bool:
        """Whether the service is ready (``/readyz``). Never raises for a service that is not there."""
        return await self._driver.run(service.ready(self._driver.options))

    async def aclose(self) -> None:
        """Close the connections. Later calls raise RuntimeError."""
        if self._owns:
            await self._driver.connections.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._driver.options.url!r})"
