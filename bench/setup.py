"""Installs what the peers need and is missing: ``python -m bench.setup``. Seconds when nothing changed.

System packages by apt where we are root; Python packages into ``.cache/bench-venv``, Nodemailer beside its script:
never into the project's own environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from bench.peers.environment import NODE_PROJECT, VENV

_REQUIREMENTS = Path(__file__).parent / "requirements.txt"
_PACKAGES = {
    "postfix": "postfix",
    "/usr/lib/dovecot/imap": "dovecot-imapd",
    "/usr/lib/dovecot/pop3": "dovecot-pop3d",
    "redis-server": "redis-server",
    "node": "nodejs",
    "npm": "npm",
}
_POSTFIX_ANSWER = b"postfix postfix/main_mailer_type select No configuration\n"


def install() -> list[str]:
    """Install what is missing; answers one sentence for each thing that could not be."""
    return [problem for step in (_system, _python, _node) if (problem := step())]


def _system() -> str | None:
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    missing = [package for program, package in _PACKAGES.items() if not shutil.which(program, path=path)]
    if not missing:
        return None
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return f"may not install system packages: apt-get install {' '.join(missing)}"
    # RUNLEVEL keeps the packages' services from being started.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["debconf-set-selections"], input=_POSTFIX_ANSWER, check=False)  # noqa: S607
    command = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run([*command, "update"], env=env, check=False, stdout=subprocess.DEVNULL)  # noqa: S603
    done = subprocess.run(  # noqa: S603
        [*command, "install", "--no-install-recommends", *missing], env=env, check=False, stdout=subprocess.DEVNULL
    )
    return f"apt-get could not install {' '.join(missing)}" if done.returncode else None


def _python() -> str | None:
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    stamp = VENV / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return None
    venv.create(VENV, with_pip=True, clear=True)
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(_REQUIREMENTS)]
    if subprocess.run(command, check=False, capture_output=True).returncode:  # noqa: S603
        return f"pip could not install {_REQUIREMENTS.name} into {VENV.name}"
    stamp.write_text(digest)
    return None


def _node() -> str | None:
    lock = NODE_PROJECT / "package-lock.json"
    installed = NODE_PROJECT / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return None
    npm = shutil.which("npm")
    if npm is None:
        return "npm is missing, so Nodemailer is not installed"
    command = [npm, "ci", "--no-audit", "--no-fund", "--prefix", str(NODE_PROJECT)]
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    return "npm could not install Nodemailer" if done.returncode else None


if __name__ == "__main__":
    problems = install()
    for problem in problems:
        sys.stderr.write(f"bench: {problem}\n")
    sys.exit(bool(problems))
