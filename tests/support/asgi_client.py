"""The gateway in the test's own process, with its event loop in a thread: passes requests in as a server would."""

import asyncio
import json
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from mailsvc.api.gateway import Gateway

__all__ = ["AsgiClient", "Reply"]

END: dict[str, Any] = {"type": "http.request", "body": b"", "more_body": False}


@dataclass
class Reply:
    """The response that the server would send."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class AsgiClient:
    """An ASGI server without a network."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._exchanges: set[asyncio.Task[Any]] = set()
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._life = asyncio.run_coroutine_threadsafe(self._live(), self.loop)
        self._say("lifespan.startup")

    def close(self) -> None:
        self._say("lifespan.shutdown")
        self._life.result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def cut_off(self) -> None:
        """Cancel the requests that are still handled, as the server does at the end of the drain."""
        for task in [*self._exchanges]:
            self.loop.call_soon_threadsafe(task.cancel)

    def ask(
        self, method: str, path: str, *parts: bytes, key: str = "", stops: str = "", **headers: str
    ) -> "Future[Reply]":
        """Pass a request in; underscores in header names stand for dashes.

        Args:
            parts: of the body, which has a Content-Length unless ``transfer_encoding`` is among the headers.
            stops: the client's behaviour after the parts: ``stalled`` or ``gone``; by default the body is complete.
                ``trickling`` waits a tenth of a second before each part.
        """
        named = {"host": "here"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if parts and "transfer-encoding" not in named:
            named.setdefault("content-length", str(sum(map(len, parts))))
        if key:
            named["authorization"] = f"Bearer {key}"
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": raw_path,
            "raw_path": raw_path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [
                (name.encode(), line.encode("latin-1")) for name, value in named.items() for line in value.splitlines()
            ],
            "server": ("127.0.0.1", "80"),
            "client": ("127.0.0.1", "4711"),
        }
        return asyncio.run_coroutine_threadsafe(self._exchange(scope, parts, stops), self.loop)

    async def _exchange(self, scope: dict[str, Any], parts: Iterable[bytes], stops: str) -> Reply:
        reply = Reply()
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        messages += [{"type": "http.disconnect"}] if stops == "gone" else [] if stops else [END]

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.Event().wait()
            if stops == "trickling":
                await asyncio.sleep(0.1)
            return messages.pop(0)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                reply.data += message["body"]

        task = asyncio.current_task()
        assert task is not None
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)
        await self._gateway(scope, receive, send)
        return reply

    async def _live(self) -> None:
        async def send(_message: Any) -> None:
            self._heard.set()

        await self._gateway({"type": "lifespan"}, self._messages.get, send)

    def _say(self, kind: str) -> None:
        self._heard = threading.Event()
        self.loop.call_soon_threadsafe(self._messages.put_nowait, {"type": kind})
        assert self._heard.wait(10)
