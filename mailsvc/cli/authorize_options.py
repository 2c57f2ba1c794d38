"""The options of ``relay authorize`` and ``mailbox authorize``; apart, because the other commands load them, too."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

__all__ = ["Given", "authorize_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--preset", type=click.Choice(["google", "microsoft"]), help="The provider (default: by the server's name)."),
    click.option("--username", metavar="ADDRESS", help="The account's address, if it is not set; asked for if left out."),
    click.option("--client-id", metavar="ID", help="The id of your application at the provider; asked for if left out."),
    click.option("--client-secret", metavar="SECRET", help="Its secret; asked for if left out; '' for a public client."),
    click.option("--tenant", help="The directory's id or domain (Microsoft)."),
    click.option("--scope", help="The scope to ask for (default: the provider's for mail)."),
    click.option("--token-url", metavar="URL", help="The token endpoint of any other provider."),
    click.option("--authorization-url", metavar="URL", help="Its page where a person consents."),
    click.option("--device-url", metavar="URL", help="Its endpoint for device codes."),
    click.option("--device", is_flag=True, help="Enter a code on another device instead of using a browser here."),
    click.option("--paste", is_flag=True, help="Paste the address that the browser ends at: for a browser on another host."),
    click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port for the redirect (default: any free one)."),
    click.option("--ca", type=click.File("r"), help="Certificates to trust beside the system's."),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The options."""

    preset: Any = None
    username: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    tenant: str | None = None
    scope: str | None = None
    token_url: str | None = None
    authorization_url: str | None = None
    device_url: str | None = None
    device: bool = False
    paste: bool = False
    port: int = 0
    ca: Any = None


def authorize_options(command: F) -> F:
    """Add the options; the command gets them as keyword arguments for ``Given``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
