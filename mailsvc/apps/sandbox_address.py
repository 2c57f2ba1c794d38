"""Where the sandbox's servers of this data directory listen: in a file, because each data directory has servers of its own.

The rows of the relay and of the mailbox, which all processes of a database share, have room for one address, that of the
servers that started last. They are for processes whose data directory has no servers.
"""

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from mailsvc.apps.mailbox_row import is_sandbox_mailbox
from mailsvc.apps.sandbox_relay import is_sandbox
from mailsvc.domain.mailbox import Mailbox
from mailsvc.domain.relay import SANDBOX, SANDBOX_HOST, Relay

__all__ = ["AddressFile", "SandboxAddress", "mailbox_here", "relay_here"]


class SandboxAddress(msgspec.Struct, frozen=True):
    """The ports of the servers, their password, and the certificate that both have."""

    port: int
    imap_port: int
    password: str
    ca_pem: str


class AddressFile:
    """``<data dir>/sandbox.address``, readable only by its owner."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "sandbox.address"

    def read(self) -> SandboxAddress | None:
        """The address; None where no servers are."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=SandboxAddress)
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, address: SandboxAddress) -> None:
        """Replace it. Raises OSError."""
        draft = self._path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(address))
        draft.replace(self._path)

    def remove(self) -> None:
        """There are no servers any more."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def relay_here(row: Any, relay: Relay, data_dir: Path) -> Relay:
    """The relay of this row; the sandbox's at the address of this data directory's server, if there is one."""
    address = AddressFile(data_dir).read() if is_sandbox(row) else None
    if address is None:
        return relay
    relay = replace(relay, host=SANDBOX_HOST, port=address.port, ca_pem=address.ca_pem)
    return replace(relay, username=SANDBOX, password=address.password)


def mailbox_here(row: Any, mailbox: Mailbox, data_dir: Path) -> Mailbox:
    """The mailbox of this row; the sandbox's at the address of this data directory's server, if there is one."""
    address = AddressFile(data_dir).read() if is_sandbox_mailbox(row) else None
    if address is None:
        return mailbox
    return replace(mailbox, port=address.imap_port, password=address.password, ca_pem=address.ca_pem)
