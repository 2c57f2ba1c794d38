"""The settings of a Flask application: its configuration over the environment."""

import os
from collections.abc import Mapping
from typing import Any

from mailsvc.errors import SettingsError
from mailsvc.service.roles import ROLES
from mailsvc.settings import PREFIX, Settings, load

__all__ = ["environ_of", "roles_of", "settings_of"]

_ROLES = f"{PREFIX}ROLES"
_OF_THE_SDK = frozenset({f"{PREFIX}URL", f"{PREFIX}WEBHOOK_SECRET", f"{PREFIX}RELAY", f"{PREFIX}TAGS"})


def settings_of(config: Mapping[str, Any]) -> Settings:
    """Return the settings.

    Raises:
        SettingsError: a value can't be used.
    """
    return load(environ_of(config))


def environ_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The environment, with what the configuration sets instead."""
    given = {name: _text(value) for name, value in config.items() if _is_setting(name) and value is not None}
    environ = {name: value for name, value in os.environ.items() if name != _ROLES}
    return {name: value for name, value in environ.items() if name.removesuffix("_FILE") not in given} | given


def roles_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The roles of ``MAILSVC_ROLES``: names, or a text of names with commas. All but ``api`` where it is not set.

    Raises:
        SettingsError: it is neither.
    """
    given = config.get(_ROLES, os.environ.get(_ROLES))
    if given is None:
        return ROLES
    if isinstance(given, str):
        return tuple(role.strip() for role in given.split(",") if role.strip())
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise SettingsError(f"{_ROLES} must be names of roles, such as ('deliver', 'notify'), not {given!r}.")
    return tuple(given)


def _is_setting(name: str) -> bool:
    return name.startswith(PREFIX) and name != _ROLES and name not in _OF_THE_SDK


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
