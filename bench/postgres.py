"""A private PostgreSQL cluster with everything durable, run by an unprivileged user."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text

from bench.children import free_port, started, wait_for_port
from bench.figure import Skipped

_SETTINGS = ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=256MB", "max_connections=100")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster."""

    url: str
    pid: int

    def create_database(self, name: str) -> str:
        """Returns its URL."""
        run_alone(self.url, f'CREATE DATABASE "{name}"')
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)


def run_alone(url: str | URL, *statements: str) -> None:
    """What PostgreSQL refuses to do within a transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """Made in ``directory``, gone with the block.

    Raises:
        Skipped: PostgreSQL is not installed, or we are root and it has no user of its own to run as.
    """
    programs, user = _programs(), "postgres" if os.getuid() == 0 else None
    directory.chmod(0o755)
    data, port, log = directory / "pg", free_port(), directory / "postgres.log"
    data.mkdir(mode=0o700)
    if user:
        try:
            shutil.chown(data, user, user)
        except LookupError:
            raise Skipped("running as root needs the user postgres of Debian's package") from None
    command = [str(programs / "initdb"), "-D", str(data), "-U", "mailsvc", "--auth=trust", "-E", "UTF8", "--locale=C"]
    subprocess.run(command, check=True, user=user, capture_output=True, cwd="/")  # noqa: S603
    server = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data), "-h", "127.0.0.1"]
    for setting in _SETTINGS:
        server += ["-c", setting]
    with started(server, log=log, user=user) as process:
        wait_for_port(port, process, log=log)
        yield Cluster(f"postgresql+psycopg://mailsvc@127.0.0.1:{port}/postgres", process.pid)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    if initdb is None:
        raise Skipped("PostgreSQL is not installed")
    return Path(initdb).resolve().parent
