"""Secrets that a start creates and stores in the data directory: atomically, and the first one created is used."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from mailsvc.settings import LEAST_SECRET, BadSetting
from mailsvc.telemetry import facts, log

__all__ = ["keep_secret", "kept_secret", "name_weak_secrets"]


def kept_secret(path: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """Return the secret in the file, created now if there is no file; and whether it was created now.

    Raises:
        BadSetting: the file can't be read or written, or is empty.
    """
    if path.exists():
        return _read(path), False
    secret = make()
    try:
        draft = _draft(path, secret)
        try:
            os.link(draft, path)  # fails if another process was faster
        except FileExistsError:
            return _read(path), False
        finally:
            draft.unlink()
        _sync_directory(path.parent)
    except OSError as error:
        raise BadSetting(f"{path} can't be written: {error.strerror}.") from error
    return secret, True


def keep_secret(path: Path, secret: str) -> None:
    """Replace the file's secret by this one. Raises BadSetting if it can't be written."""
    try:
        _draft(path, secret).replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise BadSetting(f"{path} can't be written: {error.strerror}.") from error


def name_weak_secrets(paths: Iterable[Path]) -> None:
    """Log which of the files others can read, and which contain a secret that can be guessed."""
    for path in paths:
        with suppress(OSError, BadSetting):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                log.warning(
                    "others can read a secret", extra=facts(file=str(path), mode=f"{mode:04o}", todo="chmod 600")
                )
            if len(_read(path)) < LEAST_SECRET:
                said = f"a secret is shorter than {LEAST_SECRET} characters and can be guessed"
                log.warning(said, extra=facts(file=str(path), todo="delete it; the next start creates a new one"))


def _read(path: Path) -> str:
    try:
        secret = path.read_text("ascii").strip()
    except OSError as error:
        raise BadSetting(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise BadSetting(f"{path} does not hold what mailsvc wrote there: restore it.") from None
    if not secret:
        raise BadSetting(f"{path} is empty: restore it, or delete it to have a new one created.")
    return secret


def _draft(path: Path, secret: str) -> Path:
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable only by its owner
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    return Path(draft)


def _sync_directory(path: Path) -> None:
    # Data that is encrypted with a key must not survive a power loss without the key.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
