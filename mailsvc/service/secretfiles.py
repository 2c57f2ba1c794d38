"""Secrets that a start makes and keeps in the data directory: whole or not at all, and the first one made wins."""

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
    """The secret in the file, made now if there is no file; and whether it was made now.

    Raises:
        BadSetting: the file can't be read or written, or is empty.
    """
    if path.exists():
        return _read(path), False
    secret = make()
    try:
        draft = _draft(path, secret)
        try:
            os.link(draft, path)  # fails where another process was quicker
        except FileExistsError:
            return _read(path), False
        finally:
            draft.unlink()
        _sync_directory(path.parent)
    except OSError as error:
        raise BadSetting(f"{path} can't be written: {error.strerror}.") from error
    return secret, True


def keep_secret(path: Path, secret: str) -> None:
    """Let the file hold this secret, whatever it held. Raises BadSetting where it can't be written."""
    try:
        _draft(path, secret).replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise BadSetting(f"{path} can't be written: {error.strerror}.") from error


def name_weak_secrets(paths: Iterable[Path]) -> None:
    """Say in the log which of the files others can read, and which hold what can be guessed."""
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
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner alone
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    return Path(draft)


def _sync_directory(path: Path) -> None:
    # What is encrypted with a key may outlive a power loss only together with the key.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
