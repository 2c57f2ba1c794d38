"""The errors.

::

    MailsvcError
    ├── ConfigurationError
    ├── APIError
    │   ├── BadRequest 400            ├── AuthenticationError 401   ├── PermissionDenied 403
    │   ├── NotFound 404              ├── Conflict 409              ├── CursorExpired 410
    │   ├── PayloadTooLarge 413       ├── ValidationError 422       ├── RateLimited 429
    │   └── ServiceUnavailable 503    └── ServerError, other 5xx
    ├── TransportError
    │   ├── ConnectionError, also builtins.ConnectionError
    │   └── Timeout, also builtins.TimeoutError
    ├── WaitFailed
    ├── BatchError
    └── SignatureError, also ValueError

All can be pickled and copied.
"""

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from mailsvc_sdk._models.message import BatchResult, Message

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequest",
    "BatchError",
    "ConfigurationError",
    "Conflict",
    "ConnectionError",
    "CursorExpired",
    "FieldError",
    "MailsvcError",
    "NotFound",
    "PayloadTooLarge",
    "PermissionDenied",
    "RateLimited",
    "ServerError",
    "ServiceUnavailable",
    "SignatureError",
    "Timeout",
    "TransportError",
    "ValidationError",
    "WaitFailed",
]


class MailsvcError(Exception):
    """Anything that this package raises about mailsvc."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, dict(self.__dict__))


def _restore(kind: type[MailsvcError], args: tuple[Any, ...], state: dict[str, Any]) -> MailsvcError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(MailsvcError):
    """A setting is missing: the message names it."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of the input (``to.0``)."""

    field: str
    detail: str


class APIError(MailsvcError):
    """The service refused the request, or failed.

    Attributes:
        code: the stable, machine-readable word; ``http_<status>`` if the response is not mailsvc's.
        detail: the service's own words.
        retry_after: seconds to wait before the next try, if the service said so.
        idempotency_key: of a send: sending again with it within 24 hours never doubles.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        title: str = "",
        detail: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        idempotency_key: str | None = None,
        method: str = "",
        path: str = "",
        body: Mapping[str, Any] | None = None,
        errors: tuple[FieldError, ...] = (),
    ) -> None:
        super().__init__(_told(status, code, detail or title, errors, request_id))
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after
        self.idempotency_key = idempotency_key
        self.method = method
        self.path = path
        self.body: Mapping[str, Any] = body or {}
        self.errors: list[FieldError] = list(errors)


def _told(status: int, code: str, detail: str, errors: tuple[FieldError, ...], request_id: str | None) -> str:
    words = "; ".join(f"{error.field}: {error.detail}" for error in errors) or detail
    request = f" (request {request_id})" if request_id else ""
    return f"{status} {code}: {words}{request}" if words else f"{status} {code}{request}"


class BadRequest(APIError):
    """400: the request could not be read."""


class AuthenticationError(APIError):
    """401: no key, or a wrong, expired or revoked one."""


class PermissionDenied(APIError):
    """403: the key lacks a scope, or is used from outside its networks."""


class NotFound(APIError):
    """404: no such object in the key's app."""


class Conflict(APIError):
    """409: the object's state, or a name that is taken, forbids it."""


class CursorExpired(APIError):
    """410: the event that ``after`` names is no longer kept."""


class PayloadTooLarge(APIError):
    """413: the request or the message is too large."""


class ValidationError(APIError):
    """422: the input is not valid; ``errors`` says what, by field."""

    @property
    def by_field(self) -> dict[str, list[str]]:
        """What is wrong, by field."""
        found: dict[str, list[str]] = {}
        for error in self.errors:
            found.setdefault(error.field, []).append(error.detail)
        return found


class RateLimited(APIError):
    """429: too many requests."""


class ServerError(APIError):
    """5xx: the service failed."""


class ServiceUnavailable(APIError):
    """503: the service can't take it now; nothing was stored."""


class TransportError(MailsvcError):
    """No response came.

    Attributes:
        idempotency_key: of a send: sending again with it within 24 hours never doubles.
        attempts: how often it was tried.
        sent: False if the request cannot have arrived.
    """

    # One positional argument: OSError takes a second one for an errno.
    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent
        self.attempts = 1
        self.idempotency_key: str | None = None

    def after(self, attempts: int, idempotency_key: str | None) -> Self:
        """Note how often it was tried, and under which key."""
        self.attempts, self.idempotency_key = attempts, idempotency_key
        return self


class ConnectionError(TransportError, builtins.ConnectionError):  # noqa: A001 - it is one
    """The connection could not be made, or broke."""


class Timeout(TransportError, builtins.TimeoutError):
    """The time was over.

    Attributes:
        message: of ``messages.wait``: the message as it was last seen.
    """

    message: "Message | None" = None


class WaitFailed(MailsvcError):
    """A message ended otherwise than ``messages.wait`` was told to wait for."""

    def __init__(self, text: str, *, message: "Message") -> None:
        super().__init__(text)
        self.message = message


class BatchError(MailsvcError):
    """Some messages of a batch were not taken."""

    def __init__(self, text: str, *, result: "BatchResult") -> None:
        super().__init__(text)
        self.result = result


SignatureReason = Literal["missing_header", "malformed_header", "too_old", "too_new", "no_match", "body"]


class SignatureError(MailsvcError, ValueError):
    """A webhook is not signed as it should be."""

    def __init__(self, text: str, *, reason: SignatureReason) -> None:
        super().__init__(text)
        self.reason = reason


for _name in __all__:
    globals()[_name].__module__ = "mailsvc_sdk"  # as one imports them
