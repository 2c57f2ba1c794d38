"""HTTP/1.1 over one connection to an endpoint, by h11: one POST after another."""

import contextlib
from dataclasses import dataclass

import h11

from mailsvc import clock
from mailsvc.webhooks.dial import Streams

__all__ = ["Exchange", "NoAnswer", "Response"]

MOST_BODY = 64 * 1024
READ_SIZE = 64 * 1024

Headers = list[tuple[bytes, bytes]]


class NoAnswer(Exception):
    """The connection ended before the first byte of an answer came."""


@dataclass(frozen=True, slots=True)
class Response:
    """An endpoint's answer."""

    status: int
    headers: Headers  # names in lower case
    body: bytes  # its beginning


class Exchange:
    """An open connection."""

    def __init__(self, streams: Streams) -> None:
        self._reader, self._writer = streams
        self._http = h11.Connection(h11.CLIENT)
        self.idle_since = 0.0  # monotonic
        self.was_used = False

    @property
    def is_reusable(self) -> bool:
        """Whether the connection can take another POST, as far as this side knows."""
        return (
            self._http.our_state is h11.IDLE
            and not self._has_unasked
            and not self._reader.at_eof()
            and not self._writer.is_closing()
        )

    @property
    def _has_unasked(self) -> bool:
        """Whether bytes came after the last response, such as a 408; they would be taken for the next response."""
        # asyncio has no public way to check for unread data.
        return bool(self._http.trailing_data[0] or getattr(self._reader, "_buffer", b""))

    async def post(self, target: str, headers: Headers, content: bytes) -> Response:
        """One request and its answer.

        Raises:
            NoAnswer: the other side had closed, or did so without a word.
            OSError: the connection broke.
            h11.RemoteProtocolError: this is not HTTP/1.1.
        """
        self.was_used, has_begun = True, False
        try:
            self._send(target, headers, content)
            response, body = None, bytearray()
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    data = await self._reader.read(READ_SIZE)
                    if not data and not has_begun:
                        raise NoAnswer
                    has_begun = True
                    self._http.receive_data(data)
                elif isinstance(event, h11.Response):
                    response = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) >= MOST_BODY:
                        break
                elif isinstance(event, h11.EndOfMessage):
                    break
        except ConnectionError as error:
            if has_begun:
                raise ConnectionError("the connection broke in the middle of the answer") from error
            raise NoAnswer from error
        assert response is not None
        self._rest()
        return Response(response.status_code, list(response.headers), bytes(body[:MOST_BODY]))

    def abort(self) -> None:
        """Close at once."""
        self._writer.transport.abort()

    def _send(self, target: str, headers: Headers, content: bytes) -> None:
        http = self._http
        parts = (
            http.send(h11.Request(method="POST", target=target, headers=headers)),
            http.send(h11.Data(data=content)),
            http.send(h11.EndOfMessage()),
        )
        self._writer.write(b"".join(part for part in parts if part))

    def _rest(self) -> None:
        """Prepare for the next POST, if the response was read to its end and the connection stays open."""
        with contextlib.suppress(h11.LocalProtocolError):
            self._http.start_next_cycle()
        self.idle_since = clock.monotonic()
        if not self.is_reusable:
            self.abort()
