"""A private PgBouncer in transaction mode in front of a test's PostgreSQL; stopped by pid."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.support.postgres import Postgres, free_port

__all__ = ["PgBouncer"]

PATIENCE = 30.0  # seconds until a start counts as failed
PROGRAM = "/usr/sbin/pgbouncer"


class PgBouncer:
    """Gives each transaction one of a few server sessions, whichever is free."""

    def __init__(self, postgres: Postgres, *, sessions: int = 4) -> None:
        self._dir = Path(tempfile.mkdtemp(prefix="mailsvc-pgbouncer-"))
        self.port = free_port()
        options = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": sessions,
            "max_client_conn": 200,
            "server_round_robin": 1,  # the next transaction gets another session
        }
        lines = ["[databases]", f"* = host=127.0.0.1 port={postgres.port} user=postgres", "[pgbouncer]"]
        (self._dir / "pgbouncer.ini").write_text("\n".join([*lines, *(f"{k} = {v}" for k, v in options.items())]))
        as_another: list[str] = []
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(self._dir, "postgres", "postgres")
            as_another = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        command = [*as_another, "setpriv", "--pdeathsig", "TERM", PROGRAM, "-q", str(self._dir / "pgbouncer.ini")]
        with (self._dir / "out").open("ab") as out:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self._process.poll() is None, (self._dir / "out").read_text()
            try:
                psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres").close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "it doesn't answer"
                time.sleep(0.02)
            else:
                return

    def before(self, url: str) -> str:
        """Return the URL of this database through PgBouncer."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{url.rpartition('/')[2]}"

    def remove(self) -> None:
        """Stop it, and remove its files."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        shutil.rmtree(self._dir, ignore_errors=True)
