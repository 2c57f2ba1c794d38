"""Runs ``mailsvc`` as people and scripts do: with arguments, settings, stdin, and an exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from mailsvc.cli import _mailsvc

ROOT = Path(__file__).parent.parent.parent

__all__ = ["Said", "clean_environment", "mailsvc", "mailsvc_here"]


@dataclass(frozen=True)
class Said:
    """A command's output and exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def clean_environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with only these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILSVC_")}
    return kept | {"PYTHONPATH": str(ROOT)} | {f"MAILSVC_{name.upper()}": value for name, value in settings.items()}


def mailsvc(*arguments: str, environment: Mapping[str, str], directory: Path, stdin: str = "") -> Said:
    """Run one command to its end, in a separate process."""
    done = subprocess.run(
        [sys.executable, "-m", "mailsvc", *arguments],
        env=dict(environment),
        cwd=directory,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def mailsvc_here(*arguments: str, environment: Mapping[str, str], stdin: str = "") -> Said:
    """Run one command to its end in the test's own process, which saves the imports."""
    settings = {name: value for name, value in environment.items() if name.startswith("MAILSVC_")}
    others = dict.fromkeys(name for name in os.environ if name.startswith("MAILSVC_"))
    done = CliRunner().invoke(_mailsvc, arguments, env={**others, **settings}, input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)
