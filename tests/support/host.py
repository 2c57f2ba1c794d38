"""A program that embeds the service: a script in a process of its own, which tells line by line what it does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_BEGINNING = """
import os, sys
from pathlib import Path
from mailsvc.embedding import Service
from mailsvc.settings import Settings

def say(*words): print(*words, flush=True)
"""


class Host:
    """Runs a script, which has ``Service``, ``Settings`` and ``say``; its arguments are in ``sys.argv``.

    With a ``command``, that runs instead, and finds the script as the module ``host``.
    """

    def __init__(self, directory: Path, script: str, *arguments: object, command: list[str] | None = None) -> None:
        path = directory / "host.py"
        path.write_text(_BEGINNING + script)
        self._log = directory / "host.log"
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MAILSVC_")}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*(command or [sys.executable, str(path)]), *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=directory,
                env=environ | {"PYTHONPATH": f"{ROOT}:{directory}"},
                start_new_session=True,
            )

    def line(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it says no more:\n{self.log()}"
        return line.strip()

    def tell(self, word: str = "") -> None:
        """Write it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for its end. Returns its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait()

    def log(self) -> str:
        """What it wrote to stderr."""
        return self._log.read_text(errors="replace")

    def kill9(self) -> None:
        """SIGKILL the process; its children live on."""
        self.process.kill()
        self.process.wait()

    def kill_all(self) -> None:
        """SIGKILL it and its children."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
