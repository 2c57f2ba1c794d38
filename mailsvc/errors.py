"""The errors of the package's public functions.

MailsvcError
├── SettingsError   a setting can't be used
├── TablesMissing   the database's tables are missing, or of another version
└── Unavailable     the database or another part can't be used now
"""

__all__ = ["MailsvcError", "SettingsError", "TablesMissing", "Unavailable"]


class MailsvcError(Exception):
    """The base of all errors that this package's public functions raise."""


class SettingsError(MailsvcError):
    """A setting that can't be used; the text is one sentence that names it."""


class TablesMissing(MailsvcError):
    """The database's tables are missing, or not those of this version; the text says what to run."""


class Unavailable(MailsvcError):
    """The database, or another part, can't be used now; later it may."""
