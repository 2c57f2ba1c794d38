"""What a client is told: address, key, timeouts, retries."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from mailsvc_sdk._errors import ConfigurationError

__all__ = ["NOT_GIVEN", "ApiKey", "NotGiven", "Options", "Retry", "Timeouts", "is_loopback", "service_url"]


class NotGiven(Enum):
    """The type of an argument that was left out, where None means something."""

    NOT_GIVEN = "not given"


NOT_GIVEN = NotGiven.NOT_GIVEN
DEFAULT_URL = "http://127.0.0.1:8025"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that each phase of one attempt may take; None waits for ever.

    Args:
        connect: until the connection is made, TLS included.
        read: between two pieces of the response.
        write: between two pieces of the request.
        pool: until a connection of the client is free.
    """

    connect: float | None = 5.0
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = 10.0

    @classmethod
    def of(cls, value: "float | Timeouts | None") -> Self:
        """Return the timeouts that a number (of every phase) or None (for ever) stands for."""
        if isinstance(value, Timeouts):
            return cls(value.connect, value.read, value.write, value.pool)
        return cls(value, value, value, value)


@dataclass(frozen=True, slots=True)
class Retry:
    """How a call is repeated.

    Args:
        attempts: how often at most after the first attempt.
        seconds: from the first attempt's start; no wait goes beyond it.
        base: seconds of the first wait, which doubles each time.
        cap: seconds of the longest wait, unless the service names another.
    """

    attempts: int = 8
    seconds: float = 30.0
    base: float = 0.2
    cap: float = 5.0

    @classmethod
    def of(cls, value: "Retry | int | None") -> "Retry":
        """Return what a number of attempts after the first, or None for a single attempt, stands for."""
        return value if isinstance(value, Retry) else cls(attempts=value or 0)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, or why there is none."""

    value: str | None = field(default=None, repr=False)
    trouble: str = "no API key: set MAILSVC_API_KEY or MAILSVC_API_KEY_FILE, or pass api_key="

    @classmethod
    def of(cls, value: str | None) -> Self:
        """Return the key given, else the environment's."""
        value = value or os.environ.get("MAILSVC_API_KEY")
        path = os.environ.get("MAILSVC_API_KEY_FILE")
        return cls(value) if value or not path else cls._read(path)

    @classmethod
    def _read(cls, path: str) -> Self:
        try:
            return cls(Path(path).read_text().removesuffix("\n"))
        except (OSError, UnicodeDecodeError) as error:
            return cls(trouble=f"no API key: MAILSVC_API_KEY_FILE can't be read ({error}), MAILSVC_API_KEY is not set")

    def authorization(self) -> str:
        """Return the header's value. Raises ConfigurationError without a key."""
        if not self.value:
            raise ConfigurationError(self.trouble)
        return f"Bearer {self.value}"


@dataclass(frozen=True, slots=True)
class Options:
    """What the calls of a client, or of a view on it, have in common."""

    url: str
    api_key: ApiKey
    timeouts: Timeouts
    retry: Retry
    headers: Mapping[str, str]

    def but(
        self,
        *,
        timeout: float | Timeouts | NotGiven | None = NOT_GIVEN,
        retry: Retry | int | NotGiven | None = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
        api_key: str | NotGiven = NOT_GIVEN,
    ) -> Self:
        """Return the same but for what is given; headers are added."""
        changes: dict[str, Any] = {}
        if not isinstance(timeout, NotGiven):
            changes["timeouts"] = Timeouts.of(timeout)
        if not isinstance(retry, NotGiven):
            changes["retry"] = Retry.of(retry)
        if not isinstance(headers, NotGiven):
            changes["headers"] = {**self.headers, **headers}
        if not isinstance(api_key, NotGiven):
            changes["api_key"] = ApiKey(api_key)
        return replace(self, **changes)


def service_url(value: str | None) -> str:
    """Return the service's URL, without a slash at its end. Raises ValueError if it is not one."""
    url = value or os.environ.get("MAILSVC_URL") or DEFAULT_URL
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(ord(c) <= 32 for c in url):
        raise ValueError(f"MAILSVC_URL must be an http or https URL, not {_shown(url)!r}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("MAILSVC_URL has no user, query or fragment: the key is MAILSVC_API_KEY")
    parts.port  # noqa: B018 - raises ValueError
    return url.rstrip("/")


def _shown(url: str) -> str:
    return url.rpartition("@")[2][:100]


def is_loopback(url: str) -> bool:
    """Whether the host is this one by its name."""
    from ipaddress import ip_address  # noqa: PLC0415 - only where it is needed: the package is to be imported quickly

    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
