"""A process that wants access tokens: ``python -m tests.support.tokenuser URL OWNER THREADS [die]`` prints them as JSON.

With ``die`` it is killed after the token endpoint's answer, before the new tokens are committed.
"""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault

__all__ = ["KEY", "start", "tokens_of"]

KEY = "a key for tests only"


def start(database: Database, owner_id: str, threads: int, *more: str) -> "subprocess.Popen[bytes]":
    """Start such a process."""
    url = database.url.render_as_string(hide_password=False)
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "-m", "tests.support.tokenuser", url, owner_id, str(threads), *more]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)})


def tokens_of(process: "subprocess.Popen[bytes]") -> list[str]:
    """Wait for its end. Returns what it printed."""
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, process.returncode
    tokens: list[str] = json.loads(printed)
    return tokens


class _Killed(AccessTokens):
    def _store(self, *_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def _main(url: str, owner_id: str, threads: str, *more: str) -> None:
    tokens = (_Killed if "die" in more else AccessTokens)(Database(url, pool_size=4), Vault(KEY))
    with ThreadPoolExecutor(int(threads)) as pool:
        print(json.dumps(list(pool.map(lambda _: tokens.get(owner_id), range(int(threads))))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
