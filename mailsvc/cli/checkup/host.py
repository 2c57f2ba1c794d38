"""This host: settings, the data directory and its secrets, the disk."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from mailsvc.cli.checkup.finding import Finding, problem, warning, well
from mailsvc.settings import Settings

__all__ = ["look_at_host"]

_PRIVATE = ("api-key", "secret-key", "mailsvc.db")
_REMOTE = ("nfs", "cifs", "smb", "fuse.sshfs", "9p", "glusterfs", "ceph")
_MEGABYTE = 1_000_000


def look_at_host(settings: Settings) -> Iterator[Finding]:
    """Yield findings about the settings and about files on this host."""
    yield from _settings(settings)
    if not settings.data_dir.is_dir():
        yield problem(
            "data directory", f"{settings.data_dir} does not exist", "start mailsvc serve here, or set MAILSVC_DATA_DIR"
        )
        return
    yield _directory(settings.data_dir)
    yield from _private_files(settings.data_dir)
    yield _disk(settings)
    yield from _filesystem(settings)


def _settings(settings: Settings) -> Iterator[Finding]:
    yield well("settings", "all can be read")
    if settings.allow_plaintext:
        todo = "unset it once no relay outside of this host needs tls=none"
        yield warning("settings", "MAILSVC_ALLOW_PLAINTEXT lets passwords travel without TLS", todo)
    if settings.database.startswith("postgresql") and settings.secret_key is None:
        todo = "set MAILSVC_SECRET_KEY to the same text on every host"
        yield warning("settings", "each host encrypts stored passwords with a key of its own", todo)


def _directory(path: Path) -> Finding:
    try:
        facts = path.stat()
    except OSError as error:
        return problem("data directory", f"{path}: {error.strerror}", "run doctor as the user that runs mailsvc")
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o077:
        return problem("data directory", f"{path} has mode {mode:04o}: others can read it", f"chmod 700 {path}")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return problem(
            "data directory", f"{path} can't be written by this user", "run doctor as the user that runs mailsvc"
        )
    return well("data directory", f"{path}, mode {mode:04o}")


def _private_files(path: Path) -> Iterator[Finding]:
    for file in (path / name for name in _PRIVATE):
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0
        # The directory's mode protects the database; keys are often copied elsewhere, together with their mode.
        if mode & 0o077 and file.name != "mailsvc.db":
            yield problem("secrets", f"{file} has mode {mode:04o}: others can read it", f"chmod 600 {file}")
        elif file.exists() and not os.access(file, os.R_OK | os.W_OK):
            owner = file.stat().st_uid
            yield problem(
                "data directory",
                f"{file} belongs to user {owner}",
                f"chown it to the user that runs mailsvc, as {path}",
            )


def _disk(settings: Settings) -> Finding:
    free, least = shutil.disk_usage(settings.data_dir).free, settings.min_free_disk_bytes
    said = f"{free / _MEGABYTE:,.0f} MB free"
    if free < least:
        todo = "free some space; until then messages are rejected with 503 (MAILSVC_MIN_FREE_DISK_BYTES)"
        return problem("disk", f"{said}, less than the {least / _MEGABYTE:,.0f} MB that must stay free", todo)
    if free < 5 * least:
        return warning("disk", said, f"free some space; below {least / _MEGABYTE:,.0f} MB no message is accepted")
    return well("disk", said)


def _filesystem(settings: Settings) -> Iterator[Finding]:
    kind = _kind_of(settings.data_dir)
    if kind.startswith(_REMOTE):
        todo = "move MAILSVC_DATA_DIR to a local disk: locks and the journal need one"
        yield problem("disk", f"{settings.data_dir} is on a network file system ({kind})", todo)
    if kind in ("tmpfs", "ramfs"):
        yield warning(
            "disk",
            f"{settings.data_dir} is in memory ({kind})",
            "move MAILSVC_DATA_DIR to a disk; a power loss loses mail",
        )


def _kind_of(path: Path) -> str:
    """The type of the file system, on Linux; empty elsewhere."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return ""
    whole = path.resolve()
    holding = [(len(point), kind) for point, kind in mounts if whole.is_relative_to(point.replace("\\040", " "))]
    return max(holding, default=(0, ""))[1]
