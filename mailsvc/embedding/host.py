"""What a service looks at in the program that it runs in."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from mailsvc.errors import SettingsError
from mailsvc.settings import Settings

__all__ = ["anchored", "refuse_green_threads"]

_SQLITE = "sqlite:///"


def refuse_green_threads() -> None:
    """Raise SettingsError where threads are not what they seem."""
    for library, patch, module in (
        ("gevent", "is_module_patched", "threading"),
        ("eventlet", "is_monkey_patched", "thread"),
    ):
        patcher: Any = sys.modules.get(f"{library}.monkey" if library == "gevent" else f"{library}.patcher")
        if patcher is not None and getattr(patcher, patch)(module):
            raise SettingsError(
                f"{library}'s monkey-patching is not supported: a thread that never yields would stop the whole program. "
                "Use roles=() here, and run mailsvc serve beside it."
            )


def anchored(settings: Settings) -> Settings:
    """The settings with paths that stay what they are when the program changes its working directory."""
    url = settings.database_url
    if url.startswith(_SQLITE) and not url.startswith(f"{_SQLITE}file:"):
        path, question, query = url.removeprefix(_SQLITE).partition("?")
        url = f"{_SQLITE}{Path(path).absolute()}{question}{query}"
    return replace(settings, data_dir=settings.data_dir.absolute(), database_url=url)
