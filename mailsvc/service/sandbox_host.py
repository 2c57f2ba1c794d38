"""Runs the sandbox's server in the service: one per data directory, whatever the number of processes that deliver."""

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path

from mailsvc.apps.relay_form import NewRelay
from mailsvc.apps.sandbox_relay import is_sandbox_used, set_sandbox_address
from mailsvc.domain.relay import SANDBOX
from mailsvc.sandbox import Sandbox
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault
from mailsvc.telemetry import log

__all__ = ["SandboxHost"]

RETRY_SECONDS = 2.0


class SandboxHost:
    """Runs the sandbox's server while its relay is enabled and no other process with this data directory runs it.

    The process that runs it holds a file lock, which the kernel releases when the process ends. The relay's row
    contains one port: a second server would take mail from the first, and leave a wrong port in the row when it ends.
    """

    def __init__(self, data_dir: Path, database: Database, vault: Vault) -> None:
        self._data_dir, self._database, self._vault = data_dir, database, vault
        self._sandbox: Sandbox | None = None
        self._lock: int | None = None
        self._runs_elsewhere = False  # another process runs it

    async def open(self) -> None:
        """Start the server, if it is needed and no other process runs it."""
        is_wanted = await asyncio.to_thread(is_sandbox_used, self._database)
        self._runs_elsewhere = is_wanted and not self._take_lock()
        if not is_wanted or self._runs_elsewhere:
            return
        self._sandbox = Sandbox(directory=self._data_dir)
        await self._sandbox.start()
        await asyncio.to_thread(self._set_address, self._sandbox)

    async def keep_open(self, stop: asyncio.Event) -> None:
        """Start the server as soon as the process that runs it has ended."""
        while self._runs_elsewhere and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await stop.wait()
                    return
            try:
                if self._take_lock():
                    await self.open()
            except Exception:  # noqa: BLE001 - the next round tries again
                log.warning("the sandbox can't be started", exc_info=True)

    async def close(self) -> None:
        """Stop the server, so that another process can run it."""
        if self._sandbox is not None:
            await self._sandbox.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> bool:
        if self._lock is None:
            self._lock = os.open(self._data_dir / "sandbox.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _set_address(self, sandbox: Sandbox) -> None:
        wanted = NewRelay(
            name=SANDBOX,
            host=sandbox.host,
            port=sandbox.port,
            username=sandbox.username,
            password=sandbox.password,
            ca_pem=sandbox.ca_pem,
            default=False,
        )
        set_sandbox_address(self._database, wanted, self._vault)
