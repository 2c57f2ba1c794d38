"""Where the backend's options come from: OPTIONS, then ``settings.MAILSVC``, then the environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from mailsvc_sdk._client import Mailsvc
from mailsvc_sdk._shared import has_key, shared_client

__all__ = ["BackendOptions", "setting"]


def setting(name: str) -> Any:
    """Return a member of ``settings.MAILSVC``, or None."""
    found: Any = getattr(settings, "MAILSVC", {}).get(name)
    return found


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a mailer was told."""

    url: str | None = None
    api_key: str | None = None
    relay: str | None = None
    tags: Iterable[str] | None = None
    metadata: Mapping[str, Any] | None = None
    on_uncertain: str | None = None
    priority: str | None = None
    expires_in: int | None = None
    timeout: float | None = None
    transactional: str | bool | None = None

    @property
    def database(self) -> str | None:
        """The alias of the database whose transaction takes the mails, if it is not HTTP."""
        found = setting("TRANSACTIONAL") if self.transactional is None else self.transactional
        return "default" if found is True else found or None

    def has_key(self) -> bool:
        """Whether there is an API key anywhere, or none is needed."""
        return self.database is not None or has_key(self.api_key or setting("API_KEY"))

    def client(self) -> Mailsvc:
        """Return the client, which all mailers of the same service and key share."""
        shared = shared_client(self.url or setting("URL"), self.api_key or setting("API_KEY"))
        return shared if self.timeout is None else shared.with_options(timeout=float(self.timeout))

    def fields(self) -> dict[str, Any]:
        """Return the members that every message of the mailer has."""
        found = {
            "relay": self.relay or setting("RELAY"),
            "tags": list(self.tags or setting("TAGS") or ()),
            "metadata": {k: str(v) for k, v in (self.metadata or setting("METADATA") or {}).items()},
            "on_uncertain": self.on_uncertain,
            "priority": self.priority,
            "expires_in": self.expires_in,
        }
        return {name: value for name, value in found.items() if value}
