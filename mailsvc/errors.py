"""The errors that a program which embeds mailsvc may catch; all are importable from ``mailsvc``.

MailsvcError
 ├── ValidationError   what is to be sent breaks a rule; names each field
 ├── TooLarge          over a size limit
 ├── Conflict          the state of the object forbids it
 ├── Unavailable       not now; try again later
 ├── SettingsError     a setting that can't be used
 └── TablesMissing     the database lacks tables of this version
"""

from collections.abc import Sequence

from mailsvc.domain.errors import FieldError, Problem

__all__ = [
    "Conflict",
    "FieldError",
    "MailsvcError",
    "SettingsError",
    "TablesMissing",
    "TooLarge",
    "Unavailable",
    "ValidationError",
    "public_error",
]


class MailsvcError(Exception):
    """An error of mailsvc."""


class ValidationError(MailsvcError):
    """What is to be sent breaks rules of the API.

    Args:
        errors: every wrong field and its fix.
        code: the API's, such as ``validation_failed``.
        status: the API's; 400 for what is no JSON of a draft at all.
    """

    def __init__(self, errors: Sequence[FieldError], code: str = "validation_failed", status: int = 422) -> None:
        super().__init__(errors, code, status)  # so that it can be pickled
        self.errors = list(errors)
        self.code = code
        self.status = status

    @property
    def by_field(self) -> dict[str, list[str]]:
        """The details by field."""
        found: dict[str, list[str]] = {}
        for error in self.errors:
            found.setdefault(error.field, []).append(error.detail)
        return found

    def __str__(self) -> str:
        return "; ".join(f"{e.field}: {e.detail}" if e.field else e.detail for e in self.errors)


class TooLarge(MailsvcError):
    """Over a size limit, which the text names with its setting."""

    status, code = 413, "payload_too_large"


class Conflict(MailsvcError):
    """The state of the object forbids it."""

    status, code = 409, "conflict"


class Unavailable(MailsvcError):
    """It can't be done now; no part of it was."""

    status, code = 503, "unavailable"


class SettingsError(MailsvcError):
    """A setting that can't be used; the text is one sentence that names it."""


class TablesMissing(MailsvcError):
    """The database lacks tables, or has those of another version; the text says what to run."""


_BY_STATUS: dict[int, type[TooLarge | Conflict | Unavailable]] = {413: TooLarge, 409: Conflict, 503: Unavailable}


def public_error(problem: Problem) -> MailsvcError:
    """Return the public form of an error of the core."""
    if problem.status in _BY_STATUS:
        return _BY_STATUS[problem.status](problem.detail)
    return ValidationError(problem.errors or [FieldError("", problem.detail)], problem.code, problem.status)
