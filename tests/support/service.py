"""The real service as a separate process group, to be used, killed and restarted."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.postgres import free_port

ROOT = Path(__file__).parent.parent.parent


class Service:
    """``mailsvc serve`` with its own data directory and settings."""

    def __init__(
        self,
        data_dir: Path,
        *,
        roles: str | None = None,
        port: int | None = None,
        wrapper: list[str] | None = None,
        python: Path | None = None,
        **settings: str,
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._roles = roles
        self._wrapper = wrapper or []
        self._python = python  # one with mailsvc installed; None for this repository
        self._settings = {"MAILSVC_LOG_FORMAT": "json"}
        self.configure(**settings)
        self.first: subprocess.Popen[bytes] | None = None
        self.log_path = data_dir.parent / f"{data_dir.name}.log"

    def configure(self, **settings: str) -> None:
        """Set settings for the next start."""
        self._settings |= {f"MAILSVC_{name.upper()}": value for name, value in settings.items()}

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAILSVC_")}
        own = {
            "MAILSVC_DATA_DIR": str(self.data_dir),
            "MAILSVC_BIND": f"127.0.0.1:{self.port}",
            "PYTHONPATH": "" if self._python else str(ROOT),
        }
        return kept | own | self._settings

    def start(self, *, wait: bool = True) -> "Service":
        """Start it; with ``wait``, return when it is ready."""
        command = [*self._wrapper, str(self._python or sys.executable), "-m", "mailsvc", "serve"]
        if self._roles:
            command += ["--roles", self._roles]
        with self.log_path.open("ab") as log:
            self.first = subprocess.Popen(
                command,
                env=self.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=self.data_dir.parent,
            )
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.first is not None
            if self.first.poll() is not None:
                raise AssertionError(f"the service ended with {self.first.returncode}:\n{self.log()}")
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready in {seconds} s:\n{self.log()}")

    @property
    def api_key(self) -> str:
        return (self.data_dir / "api-key").read_text().strip()

    def client(self, **options: Any) -> httpx.Client:
        """Return an HTTP client with the first key."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.api_key}"},
            timeout=30,
            trust_env=False,
            **options,
        )

    def processes(self) -> list[psutil.Process]:
        """Return all processes of its group."""
        if self.first is None:
            return []
        found = []
        for process in psutil.process_iter():
            try:
                if os.getpgid(process.pid) == self.first.pid:
                    found.append(process)
            except ProcessLookupError:
                continue
        return found

    def kill9(self) -> None:
        """SIGKILL the whole group, and wait for its end."""
        if self.first is not None:
            try:
                os.killpg(self.first.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.first.wait()
            deadline = time.monotonic() + 10
            while any(not _holds_nothing(p) for p in self.processes()) and time.monotonic() < deadline:
                time.sleep(0.01)
            self.first = None

    def terminate(self, seconds: float = 20) -> int:
        """SIGTERM the first process. Returns its exit code."""
        assert self.first is not None
        self.first.send_signal(signal.SIGTERM)
        code = self.first.wait(seconds)
        self.first = None
        return code

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")[-8000:] if self.log_path.exists() else ""

    def see_one_through(self) -> None:
        """Send a message and wait until it is sent: then all threads have started."""
        message = {"from": "app@app.test", "to": "warm@example.test", "text": "up"}
        deadline = time.monotonic() + 30
        with self.client() as client:
            while (answer := client.post("/v1/messages", json=message)).status_code != 202:
                assert time.monotonic() < deadline, (answer.text, self.log())
                time.sleep(0.1)
            id_ = answer.json()["id"]
            while client.get(f"/v1/messages/{id_}").json()["status"] != "sent":
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.02)

    def process(self, name: str) -> psutil.Process:
        """Wait for its process of this name, and return it."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for process in self.processes():
                if process.name() == name:
                    return process
            time.sleep(0.05)
        raise AssertionError(f"there is no {name}: {self.log()}")

    def wait_for_events(
        self, enough: Callable[[list[dict[str, Any]]], bool], seconds: float = 30
    ) -> list[dict[str, Any]]:
        """Follow the feed from its beginning until ``enough`` is true for its events."""
        events: list[dict[str, Any]] = []
        after, deadline = "beginning", time.monotonic() + seconds
        with self.client() as client:
            while time.monotonic() < deadline:
                page = client.get("/v1/events", params={"after": after, "wait": 2, "limit": 200})
                page.raise_for_status()
                events += page.json()["data"]
                after = page.json()["next_cursor"] or after
                if enough(events):
                    return events
        raise AssertionError(f"not enough in {seconds} s; got {json.dumps(events)[-3000:]}\n{self.log()}")


def _holds_nothing(process: psutil.Process) -> bool:
    """Whether it has ended with all its threads; it may still have to be reaped."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() == 1
    except psutil.NoSuchProcess:
        return True
