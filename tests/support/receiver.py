"""A receiving SMTP server in a separate process, which records every message before it confirms it.

``python -m tests.support.receiver DIR``: listens on loopback with STARTTLS and AUTH, writes ``DIR/port`` and
``DIR/ca.pem``, and a line ``<message-id> <recipient>`` to ``DIR/received`` for each recipient of each message.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from mailsvc.sandbox.certificate import make_certificate
from mailsvc.smtp.server import Envelope, SmtpServer

USER, PASSWORD = "app", "s3cret-pass"
_MESSAGE_ID = re.compile(rb"^Message-ID: *(<[^>]*>)", re.MULTILINE | re.IGNORECASE)


class _Ledger:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def authenticate(self, user: str, password: str) -> bool:
        return (user, password) == (USER, PASSWORD)

    def rcpt(self, envelope: Envelope, recipient: str) -> bytes | None:
        return b"550 5.1.1 unknown" if recipient.startswith("nobody@") else None

    def message(self, envelope: Envelope, content: bytes) -> bytes:
        found = _MESSAGE_ID.search(content)
        name = found[1].decode() if found else "-"
        os.write(self._file, "".join(f"{name} {recipient}\n" for recipient in envelope.recipients).encode())
        return b"250 2.0.0 ok"


async def _serve(directory: Path) -> None:
    ca_pem, context = make_certificate()
    server = SmtpServer(_Ledger(directory / "received"), context)
    port = directory / "port"
    wanted = int(port.read_text()) if port.exists() else 0
    (directory / "ca.pem").write_text(ca_pem) if not (directory / "ca.pem").exists() else None
    await server.start("127.0.0.1", wanted)
    (directory / "port.new").write_text(str(server.port))
    (directory / "port.new").rename(port)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


class Receiver:
    """Starts the server, and reads what it received."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        root = Path(__file__).parent.parent.parent
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.receiver", str(directory)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        while not (directory / "port").exists():
            assert self._process.poll() is None
            time.sleep(0.02)

    @property
    def port(self) -> int:
        return int((self.directory / "port").read_text())

    @property
    def relay_url(self) -> str:
        return f"smtp://{USER}:{PASSWORD}@127.0.0.1:{self.port}?ca={self.directory / 'ca.pem'}"

    def received(self) -> Counter[str]:
        """Count how often each ``<message-id> <recipient>`` was received."""
        path = self.directory / "received"
        return Counter(path.read_text().splitlines()) if path.exists() else Counter()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
