"""What a client may ask of the server."""

__all__ = [
    "IDLE_SECONDS",
    "LOGIN_SECONDS",
    "MOST_CONNECTIONS",
    "MOST_DEPTH",
    "MOST_FAILURES",
    "MOST_KEYS",
    "MOST_LINE",
    "MOST_MAIL",
    "MOST_STRING",
    "OUTPUT_BYTES",
]

MOST_CONNECTIONS = 32
MOST_LINE = 65_536  # bytes, literals apart; some clients send long sets of UIDs
MOST_STRING = 4096  # bytes of a literal that is no mail
MOST_MAIL = 26_214_400  # bytes of a mail in APPEND
MOST_DEPTH = 8  # of lists within lists
MOST_KEYS = 100  # of a SEARCH, each of which may stand within another
MOST_FAILURES = 3  # refused logins
LOGIN_SECONDS = 60.0
IDLE_SECONDS = 1860.0  # RFC 3501 section 5.4: at least 30 minutes
OUTPUT_BYTES = 65_536  # that are collected before they are written
