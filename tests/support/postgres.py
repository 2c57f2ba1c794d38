"""A private PostgreSQL cluster for tests: its own directory, its own port; stopped by pid."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import psutil
import psycopg

PATIENCE = 30.0  # seconds until a start or stop counts as failed
_BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_names = count()


def free_port() -> int:
    """Return a port that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """Starts and stops one cluster; creates databases in it. It ends with the test run, for whatever reason."""

    def __init__(self, *, durable: bool = False) -> None:
        if not _BIN:
            raise RuntimeError("PostgreSQL is not installed: run .ci/system-packages")
        self._bin = _BIN[-1]
        self._dir = Path(tempfile.mkdtemp(prefix="mailsvc-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._as: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._dir, "postgres", "postgres")
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        try:
            self._create(durable=durable)
            self.start()
        except BaseException:
            self.remove()
            raise

    def _create(self, *, durable: bool) -> None:
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "--locale=C")
        options = {
            "fsync": "on" if durable else "off",
            "max_connections": "200",
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": f"'{self._dir}'",
            "port": str(self.port),
        }
        with (self._dir / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in options.items())

    @property
    def _data(self) -> str:
        return str(self._dir / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._bin / program), *arguments]
        with self._out.open("ab") as out:
            subprocess.run(
                command, check=True, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self._dir, timeout=60
            )

    @property
    def _out(self) -> Path:
        return self._dir.parent / f"{self._dir.name}.out"

    def start(self) -> None:
        """Start it and wait until it responds."""
        # The parent-death signal (SIGINT: stop fast) is set after the change of user, which would clear it.
        command = [*self._as, "setpriv", "--pdeathsig", "INT", str(self._bin / "postgres"), "-D", self._data]
        with self._out.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self._dir, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, f"it ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"it doesn't answer:\n{self.log()}"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def log(self) -> str:
        """Return the end of its output."""
        return self._out.read_text(errors="replace")[-8000:] if self._out.exists() else ""

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` simulates a crash."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")
        self._reap()

    def kill9(self) -> None:
        """SIGKILL its first process; the others end with it."""
        assert self._process is not None
        others = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._reap()
        psutil.wait_procs(others, timeout=PATIENCE)  # before that, a new start finds the shared memory in use

    def freeze(self, number: int = signal.SIGSTOP) -> None:
        """Freeze all its processes, with their connections open, as a snapshot of the host would."""
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        for process in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):  # a backend may end at any moment
                process.send_signal(number)

    def thaw(self) -> None:
        """Continue all its processes."""
        self.freeze(signal.SIGCONT)

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait(PATIENCE)
            self._process = None

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname={database}", autocommit=True)

    def kill_backends(self) -> None:
        """Terminate every other connection."""
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    def fresh_database(self) -> str:
        """Create an empty database. Returns its URL."""
        name = f"test_{next(_names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def remove(self) -> None:
        """Stop it, and remove its files."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
        if self._process is not None and self._process.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self._dir, ignore_errors=True)
        self._out.unlink(missing_ok=True)
