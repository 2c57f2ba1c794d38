"""The errors of a request.

Problem
 ├── Malformed         400
 ├── Unauthorized      401
 ├── Forbidden         403
 ├── NotFound          404
 ├── Conflict          409
 ├── Gone              410
 ├── TooLarge          413
 ├── UnsupportedMedia  415
 ├── Invalid           422, names each field and its fix
 ├── RateLimited       429
 └── Unavailable       503, nothing was stored; try again later
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of the input and its error, e.g. ``FieldError("to.0", "…")``."""

    field: str
    detail: str


class Problem(Exception):
    """A request that can't be carried out; ``code`` and ``status`` are public contract (RFC 9457)."""

    status = 500
    code = "internal"
    title = "Internal error"

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.retry_after = retry_after  # seconds

    @property
    def errors(self) -> list[FieldError]:
        return []

    @property
    def members(self) -> Mapping[str, str]:
        """Further members of the problem document (RFC 9457 section 3.2)."""
        return {}


class Malformed(Problem):
    """The request can't be parsed: wrong JSON, wrong syntax."""

    status, code, title = 400, "invalid_request", "Invalid request"


class Invalid(Problem):
    """The request can be parsed, but its values are not acceptable; names every wrong field."""

    status, code, title = 422, "validation_failed", "Validation failed"

    def __init__(self, *errors: FieldError, code: str | None = None) -> None:
        super().__init__("; ".join(f"{e.field}: {e.detail}" if e.field else e.detail for e in errors), code=code)
        self._errors = list(errors)

    @property
    def errors(self) -> list[FieldError]:
        return self._errors


class Unauthorized(Problem):
    """No key, or a wrong, revoked or expired one."""

    status, code, title = 401, "unauthorized", "Unauthorized"


class Forbidden(Problem):
    """The key is valid but does not allow this."""

    status, code, title = 403, "insufficient_scope", "Forbidden"


class NotFound(Problem):
    """No such object, or it belongs to another app."""

    status, code, title = 404, "not_found", "Not found"


class SubmissionRejected(NotFound):
    """There is no message yet: its row in ``mailsvc_submission`` can't be taken up."""

    code, title = "submission_rejected", "Submission rejected"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{e.field}: {e.detail}" if e.field else e.detail for e in errors))
        self._errors = list(errors)

    @property
    def errors(self) -> list[FieldError]:
        return self._errors


class Conflict(Problem):
    """The state of the object forbids it."""

    status, code, title = 409, "conflict", "Conflict"


class Gone(Problem):
    """The event that the request continues from is no longer kept; ``oldest`` is the id of the first one that is."""

    status, code, title = 410, "cursor_expired", "Gone"

    def __init__(self, detail: str, *, oldest: str) -> None:
        super().__init__(detail)
        self.oldest = oldest

    @property
    def members(self) -> Mapping[str, str]:
        return {"oldest": self.oldest}


class TooLarge(Problem):
    """Over a size limit, which the detail names with its setting."""

    status, code, title = 413, "payload_too_large", "Payload too large"

    @classmethod
    def request(cls, limit: int) -> "TooLarge":
        """Return the error for a request of more bytes than this."""
        return cls(f"the request is larger than {limit} bytes (MAILSVC_MAX_REQUEST_BYTES); send less at once")


class UnsupportedMedia(Problem):
    """A content type or encoding that this endpoint does not accept."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class RateLimited(Problem):
    """Too many requests; ``retry_after`` says when to try again."""

    status, code, title = 429, "rate_limited", "Too many requests"


class Unavailable(Problem):
    """The request can't be stored now (no database, disk almost full, queue full); no part of it was stored."""

    status, code, title = 503, "unavailable", "Unavailable"
