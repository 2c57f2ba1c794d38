"""An application's webhook endpoint that counts: ``python -m bench.hooks``. A call is known by its webhook-id."""

from bench.listener import Connection, Listener
from bench.tally import Tally, announce

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Endpoint(Connection):
    """One kept-alive connection; requests carry Content-Length, as mailsvc's do."""

    _buffer = b""

    def take(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2].lower()
            size = end + 4 + int(_value(head, b"\r\ncontent-length:"))
            if len(self._buffer) < size:
                return
            self._buffer = self._buffer[size:]
            self.listener.tally.add(_value(head, b"\r\nwebhook-id:"))
            self.listener.answer(self.send, _ANSWER)


def _value(head: bytes, name: bytes) -> bytes:
    start = head.index(name) + len(name)
    return head[start : head.index(b"\r\n", start)].strip()


if __name__ == "__main__":
    listener = Listener(Tally(), Endpoint)
    announce(listener.port)
    listener.serve()
