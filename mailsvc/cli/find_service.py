"""Finds the address of the service, and the key that may be sent to it."""

import ipaddress
from urllib.parse import urlsplit

import click

from mailsvc import settings as settings_module
from mailsvc.cli.client import Client
from mailsvc.settings import Settings

__all__ = ["find_service", "is_elsewhere", "require_key"]


def find_service(url: str | None, key: str | None) -> Client:
    """Return the service: the given one, else the one in the environment, else the one of this host's settings.

    The key in the data directory is sent only to this host, whatever the URL.

    Raises:
        BadSetting: a setting can't be used.
        click.UsageError: the URL is invalid, or no key is known for it.
    """
    environ_url, environ_key = settings_module.client_environ()
    url, key = url or environ_url, key or environ_key
    if url is None or key is None:
        settings = settings_module.load()
        url = url or _own_address(settings)
        key = key or settings.api_key or (_kept_key(settings) if _is_here(url, settings) else None)
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise click.UsageError("--key (or MAILSVC_API_KEY) is not an API key: keys consist of letters, digits, - and _")
    return Client(_checked(url), key)


def is_elsewhere(url: str | None, settings: Settings) -> bool:
    """Whether a URL was given that is not this host's service; then nothing on this host matters to it."""
    given = url or settings_module.client_environ()[0]
    return given is not None and not (_is_here(given, settings) and settings.data_dir.is_dir())


def require_key(client: Client) -> Client:
    """Return the same client, if it has a key.

    Raises:
        Unreachable: nothing responds there, which explains more than a missing key.
        click.UsageError: no key is known.
    """
    if client.key is None:
        client.call("GET", "/healthz")
        raise click.UsageError(
            f"no API key for {client.url}: give --key, set MAILSVC_API_KEY, or run this where the service's data directory is"
        )
    return client


def _own_address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - to be replaced
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _is_here(url: str, settings: Settings) -> bool:
    host = urlsplit(_checked(url)).hostname or ""
    return url == _own_address(settings) or host == settings.host or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kept_key(settings: Settings) -> str | None:
    try:
        return (settings.data_dir / "api-key").read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_url = (
            parts.scheme in ("http", "https")
            and parts.hostname
            and parts.port != 0
            and not parts.query
            and "@" not in url
        )
    except ValueError:
        is_url = False
    if not is_url or not url.isascii() or not url.isprintable() or " " in url:
        # Not quoted, because it may contain a key or a password.
        raise click.UsageError("--url (or MAILSVC_URL) is not a URL such as http://127.0.0.1:8025")
    return url.rstrip("/")
