"""A private PostgreSQL cluster for tests: its own directory, its own port, ended by pid."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import psycopg

_BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_names = count()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """Starts and stops one cluster; makes databases in it."""

    def __init__(self, *, durable: bool = False) -> None:
        if not _BIN:
            raise RuntimeError("PostgreSQL is not installed: run .ci/system-packages")
        self._bin = _BIN[-1]
        self._dir = Path(tempfile.mkdtemp(prefix="mailsvc-pg-"))
        self.port = free_port()
        self._as: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._dir, "postgres", "postgres")
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "--locale=C")
        options = {"fsync": "on" if durable else "off", "max_connections": "200", "listen_addresses": "'127.0.0.1'"}
        lines = [
            f"{name} = {value}"
            for name, value in {**options, "unix_socket_directories": f"'{self._dir}'", "port": self.port}.items()
        ]
        with (self._dir / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self.start()

    @property
    def _data(self) -> str:
        return str(self._dir / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._bin / program), *arguments]
        with (self._dir.parent / f"{self._dir.name}.out").open("ab") as out:
            subprocess.run(
                command, check=True, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self._dir, timeout=60
            )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._run("pg_ctl", "-D", self._data, "-w", "-l", f"{self._dir}/log", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` is a crash."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def kill9(self) -> None:
        """SIGKILL its first process; the others end with it."""
        pid = int((self._dir / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            time.sleep(0.05)

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname={database}", autocommit=True)

    def kill_backends(self) -> None:
        """Terminate every other connection."""
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    def fresh_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(_names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def remove(self) -> None:
        """Stop it for good."""
        try:
            self.stop("immediate")
        except subprocess.CalledProcessError:
            pass
        shutil.rmtree(self._dir, ignore_errors=True)
        (self._dir.parent / f"{self._dir.name}.out").unlink(missing_ok=True)
