"""The loops that read a mailbox into files."""

import json
import subprocess
import sys
from collections.abc import Callable

from bench import mailboxes
from bench.children import ROOT
from bench.figure import Figure, Invalid, Run
from bench.mixedmails import mixed_mail
from bench.peers import environment
from tests.support.mailhost import HOST


def imap(run: Run) -> Figure:
    """imap_tools."""
    return _measure(run, "imap", "imaps", environment.python(), mailboxes.mail)


def imap_mixed(run: Run) -> Figure:
    """imap_tools, with the mails that come back to a sender."""
    return _measure(run, "imap", "imaps", environment.python(), mixed_mail)


def pop3(run: Run) -> Figure:
    """poplib."""
    return _measure(run, "pop3", "pop3s", sys.executable, mailboxes.mail)


def _measure(run: Run, module: str, port: str, python: str, make: Callable[[int], bytes]) -> Figure:
    with mailboxes.mailhost() as host:
        mailboxes.fill(host, "peer", run.messages, make)
        directory = run.directory / "mails"
        directory.mkdir()
        settings = {
            "host": HOST,
            "port": getattr(host, port),
            "user": "peer",
            "password": mailboxes.PASSWORD,
            "ca_pem": host.ca_pem,
            "directory": str(directory),
        }
        done = subprocess.run(  # noqa: S603 - our own module
            [python, "-m", f"bench.peers.mailbox_loop.{module}"],
            input=json.dumps(settings),
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    found = json.loads(done.stdout)
    if found["mails"] != run.messages or len(list(directory.iterdir())) != run.messages:
        raise Invalid(f"{found['mails']} of {run.messages} mails were read")
    return Figure({"rate": run.messages / found["seconds"]})
