"""An example as a newcomer has it: a fresh copy of its directory, and the commands of its README."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import wait_until

__all__ = ["Example"]

EXAMPLES = Path(__file__).parents[2] / "examples"
_MADE_BY_USE = shutil.ignore_patterns("instance", "node_modules", "mailsvc-data", "__pycache__", "*.db*")


class Example:
    """A copy of an example; ``stop`` ends what it started.

    Its environment is what the README exports, and over that the settings. ``port`` stands for the README's 8000.
    """

    def __init__(self, name: str, directory: Path, *, port: int = 8000, **settings: str) -> None:
        self._port = str(port)
        self.directory = shutil.copytree(EXAMPLES / name, directory / name, ignore=_MADE_BY_USE)
        readme = (self.directory / "README.md").read_text()
        self._commands = [command.removesuffix(" &") for command in re.findall(r"^ {4}(\S.*)$", readme, re.M)]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAILSVC_", "PYTHON"))}
        bin_ = Path(sys.executable).parent  # of the virtual environment, which a newcomer would have activated
        self.environment = kept | {"PATH": f"{bin_}:{kept['PATH']}"}
        self.environment = self._exported() | settings
        self._started: list[subprocess.Popen[bytes]] = []
        self._log = directory / f"{name}.log"

    def run(self, command: str) -> str:
        """Run a command of the README to its end. Returns what it prints.

        Raises:
            CalledProcessError: its exit code is not 0.
        """
        done = subprocess.run(**self._call(command), capture_output=True, timeout=120)
        with self._log.open("ab") as log:
            log.write(done.stdout + done.stderr)
        done.check_returncode()
        return done.stdout.decode()

    def start(self, command: str, *further: str, url: str) -> None:
        """Start a server by a command of the README and further arguments; return when it answers at the URL."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(**self._call(command, *further), stdout=log, stderr=log, start_new_session=True)
        self._started.append(process)

        def is_there() -> bool:
            assert process.poll() is None, f"{command} has ended:\n{self.log()}"
            return _answers(url)

        wait_until(is_there)

    def _exported(self) -> dict[str, str]:
        """The environment after the exports of the README."""
        exports = [self._here(command) for command in self._commands if command.startswith("export ")]
        done = subprocess.run(["sh", "-ec", "\n".join([*exports, "env -0"])], env=self.environment, capture_output=True)
        done.check_returncode()
        return dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)

    def _call(self, command: str, *further: str) -> dict[str, Any]:
        assert command in self._commands, f"the README does not say {command!r}"
        return {
            "args": " ".join([self._here(command), *further]),
            "shell": True,
            "cwd": self.directory,
            "env": self.environment,
            "stdin": subprocess.DEVNULL,
        }

    def _here(self, command: str) -> str:
        return command.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")

    def log(self) -> str:
        """What its processes wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stop(self) -> None:
        """End what was started, as Ctrl-C in its terminal does."""
        for process in reversed(self._started):
            _signal_group(process, signal.SIGINT)
        for process in self._started:
            try:
                process.wait(30)
            finally:
                _signal_group(process, signal.SIGKILL)
                process.wait()
        self._started.clear()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).is_success
    except httpx.TransportError:
        return False


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
