"""What is known of large providers: their endpoints, and the scopes for mail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["ANY_TENANT", "PRESETS", "Endpoints", "Preset", "Service", "preset_for_host"]

Preset = Literal["google", "microsoft"]
Service = Literal["smtp", "imap", "pop3"]

ANY_TENANT = ("common", "organizations", "consumers")  # Microsoft's words for accounts of several directories

_MICROSOFT_SCOPES: dict[Service, str] = {
    "smtp": "https://outlook.office.com/SMTP.Send offline_access",
    "imap": "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
    "pop3": "https://outlook.office.com/POP.AccessAsUser.All offline_access",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of an authorization server, and the scope to ask for.

    Attributes:
        authorization_url: where a person consents (RFC 6749 section 3.1).
        device_url: for the device code grant (RFC 8628); None where it is not offered for mail.
        further: parameters of the authorization URL without which there is no refresh token.
        redirect_host: as the provider lets it be registered, with any port.
    """

    token_url: str
    scope: str | None = None
    authorization_url: str | None = None
    device_url: str | None = None
    further: Mapping[str, str] = field(default_factory=dict)
    redirect_host: str = "127.0.0.1"


def _google(grant: str, tenant: str | None, service: Service) -> Endpoints:  # noqa: ARG001 - see PRESETS
    # Google's device code grant does not allow the scope of mail.
    return Endpoints(
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - no secret
        scope="https://mail.google.com/",
        authorization_url="https://accounts.google.com/o/oauth2/v2/auth",
        further={"access_type": "offline", "prompt": "consent"},
    )


def _microsoft(grant: str, tenant: str | None, service: Service) -> Endpoints:
    base = f"https://login.microsoftonline.com/{tenant or 'common'}/oauth2/v2.0"
    is_machine = grant == "client_credentials"
    return Endpoints(
        token_url=f"{base}/token",
        scope="https://outlook.office365.com/.default" if is_machine else _MICROSOFT_SCOPES[service],
        authorization_url=f"{base}/authorize",
        device_url=f"{base}/devicecode",
        redirect_host="localhost",
    )


# Each is called with the grant, the tenant and the service.
PRESETS: dict[Preset, Callable[[str, str | None, Service], Endpoints]] = {"google": _google, "microsoft": _microsoft}

_HOSTS: tuple[tuple[str, Preset], ...] = (
    (".gmail.com", "google"),
    (".googlemail.com", "google"),
    (".office365.com", "microsoft"),
    (".outlook.com", "microsoft"),
    (".office.com", "microsoft"),
)


def preset_for_host(host: str) -> Preset | None:
    """The provider of a mail server, as far as its name tells."""
    return next((preset for end, preset in _HOSTS if f".{host.lower().rstrip('.')}".endswith(end)), None)
