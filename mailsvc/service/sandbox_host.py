"""Runs the sandbox's servers in the service: one per data directory, whatever the number of processes that deliver."""

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mailsvc.apps.relay_form import NewRelay
from mailsvc.apps.sandbox_address import AddressFile, SandboxAddress
from mailsvc.apps.sandbox_mailbox import find_sandbox_mailbox, sandbox_mailbox_form, set_mailbox_address
from mailsvc.apps.sandbox_relay import is_sandbox_used, set_sandbox_address
from mailsvc.domain.relay import SANDBOX
from mailsvc.runtime.wake import MAILBOXES, Bell
from mailsvc.service.sandbox_lock import SandboxLock
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault
from mailsvc.telemetry import log

if TYPE_CHECKING:
    from mailsvc.sandbox import Sandbox

__all__ = ["SandboxHost"]

RETRY_SECONDS = 2.0


class SandboxHost:
    """Runs the sandbox's servers while its relay is enabled and no other process with this data directory runs them.

    Their address is in the data directory, where its processes find it. The rows of the relay and of the mailbox have one
    place for all data directories of a database: it is for the others, and a new address there ends all waiting.
    """

    def __init__(self, data_dir: Path, database: Database, vault: Vault, bell: Bell) -> None:
        self._directory = data_dir / "sandbox"  # of mails
        self._data_dir, self._database, self._vault, self._bell = data_dir, database, vault, bell
        self._sandbox: Sandbox | None = None
        self._lock, self._address = SandboxLock(data_dir), AddressFile(data_dir)
        self._runs_elsewhere = False  # another process runs it

    async def open(self) -> None:
        """Start the servers, if they are needed and no other process runs them."""
        is_wanted = await asyncio.to_thread(is_sandbox_used, self._database)
        self._runs_elsewhere = is_wanted and not self._lock.take()
        if not is_wanted and not self._lock.is_held:
            await asyncio.to_thread(self._remove_mails, except_for=None)
        if not is_wanted or self._runs_elsewhere:
            return
        mails = await asyncio.to_thread(self._directory_of_mails)
        from mailsvc.sandbox import Sandbox  # noqa: PLC0415 - large, and not needed where there is a relay

        self._sandbox = Sandbox(self._data_dir, mails)
        await self._sandbox.start()
        self._address.write(_address_of(self._sandbox))
        await asyncio.to_thread(self._set_addresses, self._sandbox)
        self._bell.ring(MAILBOXES)

    async def keep_open(self, stop: asyncio.Event) -> None:
        """Start the servers as soon as the process that runs them has ended."""
        while self._runs_elsewhere and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await stop.wait()
                    return
            try:
                if self._lock.take():
                    await self.open()
            except Exception:  # noqa: BLE001 - the next round tries again
                log.warning("the sandbox can't be started", exc_info=True)

    async def close(self) -> None:
        """Stop the servers, so that another process can run them."""
        if self._sandbox is not None:
            self._address.remove()
            await self._sandbox.stop()
        self._lock.release()

    def _directory_of_mails(self) -> Path:
        """The directory of the mailbox's mails. A mailbox that was created anew has none of the former one's."""
        with self._database.read() as connection:
            row = find_sandbox_mailbox(connection)
        mails = self._directory / (row.id if row is not None else "unread")
        self._remove_mails(except_for=mails)
        return mails

    def _remove_mails(self, *, except_for: Path | None) -> None:
        for directory in self._directory.iterdir() if self._directory.exists() else ():
            if directory != except_for:
                shutil.rmtree(directory, ignore_errors=True)

    def _set_addresses(self, sandbox: "Sandbox") -> None:
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
        mailbox = sandbox_mailbox_form(port=sandbox.imap_port, password=sandbox.password, ca_pem=sandbox.ca_pem)
        set_mailbox_address(self._database, mailbox, self._vault)


def _address_of(sandbox: "Sandbox") -> SandboxAddress:
    return SandboxAddress(sandbox.port, sandbox.imap_port, sandbox.password, sandbox.ca_pem)
