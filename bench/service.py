"""mailsvc as anybody would start it: ``mailsvc serve`` with settings from the environment."""

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from bench.children import ROOT, free_port, started, tail
from bench.counters import PASSWORD, USERNAME, Counter
from bench.figure import Skipped

_CONNECTIONS = 8
_KEPT = 1_000_000  # messages: the peers keep their connections without a limit, too


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scenario varies."""

    sink: Counter
    ca: Path
    hooks: Counter | None = None
    database_url: str | None = None
    connections: int = _CONNECTIONS
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """A service that is ready."""

    port: int
    pid: int  # the first of its process group
    key: str
    start_s: float  # from the start of the process until /readyz said 200

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One API call; the answer's JSON.

        Raises:
            RuntimeError: it was refused.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:300]!r}")
        return json.loads(text) if text else None


@contextlib.contextmanager
def serving(directory: Path, setting: Setting) -> Iterator[Service]:
    """``mailsvc serve`` over a data directory in ``directory``, which may be there already."""
    # What is measured is the tree that the harness stands in, wherever the command `mailsvc` may come from.
    command = [sys.executable, "-m", "mailsvc", "serve"]
    if not (ROOT / "mailsvc" / "__main__.py").exists():
        raise Skipped("mailsvc has no `serve` yet")
    port, log = free_port(), directory / "mailsvc.log"
    begun = time.monotonic()
    with started(command, log=log, env=_environment(directory, port, setting)) as process:
        _wait_until_ready(port, process, log)
        start_s = time.monotonic() - begun
        key = (directory / "data" / "api-key").read_text().strip()
        yield Service(port, process.pid, key, start_s)


def relay_url(sink: Counter, ca: Path, *, connections: int = _CONNECTIONS) -> str:
    """The sink as a relay."""
    query = urlencode({"ca": str(ca), "max_connections": connections, "max_messages_per_connection": _KEPT})
    return f"smtp://{quote(USERNAME)}:{quote(PASSWORD)}@127.0.0.1:{sink.port}?{query}"


def _environment(directory: Path, port: int, setting: Setting) -> dict[str, str]:
    env = {
        "MAILSVC_DATA_DIR": str(directory / "data"),
        "MAILSVC_BIND": f"127.0.0.1:{port}",
        "MAILSVC_RELAY_URL": relay_url(setting.sink, setting.ca, connections=setting.connections),
        **setting.more,
    }
    if setting.database_url:
        env["MAILSVC_DATABASE_URL"] = setting.database_url
    if setting.hooks:
        env["MAILSVC_WEBHOOK_URL"] = f"http://127.0.0.1:{setting.hooks.port}/mail-events"
    return env


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        time.sleep(0.005)
    raise RuntimeError(f"mailsvc serve is not ready; its log ends: {tail(log)}")
