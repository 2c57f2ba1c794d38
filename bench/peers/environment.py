"""The peers' own Python packages and programs, apart from the project's."""

import os
import shutil
from pathlib import Path

from bench.children import ROOT
from bench.counters import PASSWORD, USERNAME
from bench.figure import Skipped

VENV = ROOT / ".cache" / "bench-venv"
NODE_PROJECT = ROOT / "bench" / "peers" / "nodemailer"


def python() -> str:
    """The interpreter with Celery and Django.

    Raises:
        Skipped: ``python -m bench.setup`` has not been run.
    """
    interpreter = VENV / "bin" / "python"
    if not interpreter.exists():
        raise Skipped("its packages are not installed: python -m bench.setup")
    return str(interpreter)


def program(name: str) -> str:
    """The path of a system program.

    Raises:
        Skipped: it is not installed.
    """
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        raise Skipped(f"{name} is not installed: python -m bench.setup")
    return path


def sink_environment(port: int, ca: Path) -> dict[str, str]:
    """Where a peer's program sends to; OpenSSL trusts the sink's authority by ``SSL_CERT_FILE``."""
    return {
        "BENCH_SINK_PORT": str(port),
        "BENCH_USERNAME": USERNAME,
        "BENCH_PASSWORD": PASSWORD,
        "SSL_CERT_FILE": str(ca),
    }
