"""Where settings come from: the environment, files, ``mailsvc.toml``. The only reader of the environment."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mailsvc.domain.kubernetes import is_of_a_service
from mailsvc.settings.conversion import PREFIX, converted
from mailsvc.settings.model import Settings
from mailsvc.settings.values import BadSetting, read_file

__all__ = ["client_environ", "load"]

CONFIG_FILE = "mailsvc.toml"
_CLIENT_ONLY = frozenset({"MAILSVC_URL"})


def load(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """The settings as the environment and ``mailsvc.toml`` give them.

    Raises:
        BadSetting: an unknown name, a value that can't be read, a file that can't be opened.
    """
    given = _from_toml((directory or Path()) / CONFIG_FILE) | _from_environ(os.environ if environ is None else environ)
    return Settings(**{name: converted(name, _NAMES[name].type, value) for name, value in given.items()})


def client_environ() -> tuple[str | None, str | None]:
    """``MAILSVC_URL`` and ``MAILSVC_API_KEY``, for commands that talk to a running service."""
    return os.environ.get("MAILSVC_URL"), os.environ.get("MAILSVC_API_KEY")


_NAMES = {f.name: f for f in fields(Settings)}


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for variable in sorted(environ):  # X comes before X_FILE, which is the stronger
        if not variable.startswith(PREFIX) or variable in _CLIENT_ONLY:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in _NAMES:
            given.setdefault(name, environ[variable])
        elif name.endswith("_file") and name.removesuffix("_file") in _NAMES:
            given[name.removesuffix("_file")] = read_file(variable, environ[variable])
        elif not is_of_a_service(variable, environ[variable], "mailsvc"):
            raise BadSetting(f"{variable} is not a setting of mailsvc{_hint(name, PREFIX)}")
    return given


def _from_toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadSetting(f"{path} can't be read: {error}.") from error
    given: dict[str, Any] = {}
    for key in sorted(table):
        name = key.removeprefix("mailsvc_")
        if name in _NAMES:
            if not isinstance(table[key], str | int | float):
                raise BadSetting(f"{key} in {path} must be text, a number, true or false.")
            given.setdefault(name, table[key])
        elif name.endswith("_file") and name.removesuffix("_file") in _NAMES:
            given[name.removesuffix("_file")] = read_file(f"{key} in {path}", str(table[key]))
        else:
            raise BadSetting(f"{key} in {path} is not a setting of mailsvc{_hint(name, '')}")
    return given


def _hint(name: str, prefix: str) -> str:
    close = difflib.get_close_matches(name, _NAMES, n=1)
    shown = (prefix + close[0].upper() if prefix else close[0]) if close else ""
    return f"; did you mean {shown}?" if shown else "."
