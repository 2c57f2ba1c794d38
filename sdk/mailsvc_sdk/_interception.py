"""What answers in place of the service, in tests."""

from typing import Protocol

from mailsvc_sdk._errors import TransportError
from mailsvc_sdk._exchange import Request, Response

__all__ = ["Interceptor", "current", "install", "uninstall"]


class Interceptor(Protocol):
    """Answers requests of all clients that were given no transport."""

    def respond(self, request: Request) -> Response | TransportError:
        """Answer one request."""
        ...


_installed: list[Interceptor] = []


def current() -> Interceptor | None:
    """Return the one that was installed last."""
    return _installed[-1] if _installed else None


def install(interceptor: Interceptor) -> None:
    """Let it answer until it is removed."""
    _installed.append(interceptor)


def uninstall(interceptor: Interceptor) -> None:
    """Remove it. It may be that others were installed since."""
    for index in reversed(range(len(_installed))):
        if _installed[index] is interceptor:
            del _installed[index]
            return
