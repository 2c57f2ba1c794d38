"""``"mailsvc_sdk.django"`` in INSTALLED_APPS adds a check: a mailer without a key."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

from mailsvc_sdk.django._options import BackendOptions

__all__ = ["MailsvcConfig"]

BACKEND = "mailsvc_sdk.django.EmailBackend"


class MailsvcConfig(AppConfig):
    """The application."""

    name = "mailsvc_sdk.django"
    label = "mailsvc_sdk"

    def ready(self) -> None:
        """Add the check."""
        register(check_keys, deploy=True)


def check_keys(**_: Any) -> list[CheckMessage]:
    """Return a warning for each mailer that has no API key."""
    named = [name for name, options in _mailers() if not BackendOptions(api_key=options.get("api_key")).has_key()]
    hint = "Set MAILSVC = {'API_KEY': …}, MAILSVC_API_KEY, or OPTIONS['api_key']."
    return [CheckWarning(f"{name} has no API key of mailsvc.", hint=hint, id="mailsvc_sdk.W001") for name in named]


def _mailers() -> list[tuple[str, dict[str, Any]]]:
    mailers: dict[str, Any] = getattr(settings, "MAILERS", None) or {}
    found = [
        (f"MAILERS[{alias!r}]", m.get("OPTIONS", {})) for alias, m in mailers.items() if m.get("BACKEND") == BACKEND
    ]
    is_backend = not mailers and getattr(settings, "EMAIL_BACKEND", None) == BACKEND
    return [*found, *([("EMAIL_BACKEND", {})] if is_backend else [])]
