"""The sandbox's server in a running service: one for a data directory, however many processes deliver from it."""

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

__all__ = ["Playground"]

LOOK_EVERY = 2.0  # seconds


class Playground:
    """Runs the sandbox where its relay is in use and nobody else of this data directory does.

    Whoever runs it holds a lock, which the kernel gives up with the process. The row of the relay names one port: a second
    server would take the first one's mail, and leave it nowhere when it ends.
    """

    def __init__(self, data_dir: Path, database: Database, vault: Vault) -> None:
        self._data_dir, self._database, self._vault = data_dir, database, vault
        self._sandbox: Sandbox | None = None
        self._lock: int | None = None
        self._is_others = False  # another process runs it

    async def open(self) -> None:
        """Start the server, where it is needed and nobody else runs it."""
        is_wanted = await asyncio.to_thread(is_sandbox_used, self._database)
        self._is_others = is_wanted and not self._take_turn()
        if not is_wanted or self._is_others:
            return
        self._sandbox = Sandbox(directory=self._data_dir)
        await self._sandbox.start()
        await asyncio.to_thread(self._set_address, self._sandbox)

    async def keep_open(self, stop: asyncio.Event) -> None:
        """Take over from whoever ran it and has ended."""
        while self._is_others and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await stop.wait()
                    return
            try:
                if self._take_turn():
                    await self.open()
            except Exception:  # noqa: BLE001 - the next look tries again
                log.warning("the sandbox can't be started", exc_info=True)

    async def close(self) -> None:
        """Stop the server, and let another process run it."""
        if self._sandbox is not None:
            await self._sandbox.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_turn(self) -> bool:
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
