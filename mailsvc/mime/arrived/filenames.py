"""Makes the name under which an attachment can be downloaded safely."""

import re

__all__ = ["safe_filename"]

_MAX_NAME = 200  # octets of UTF-8; most file systems take 255
# Separators, what Windows forbids, and characters that change the direction of writing, to disguise an extension.
_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd<>:"|?*]+')
_EXTENSIONS = {
    "application/ms-tnef": ".dat",
    "application/pdf": ".pdf",
    "application/pgp-signature": ".asc",
    "application/pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "message/delivery-status": ".txt",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
}


def safe_filename(given: str, index: int, media_type: str) -> str:
    """Return the last component of the given name, harmless and at most 200 octets long; a made-up name if nothing remains."""
    last = given.replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE.sub("_", last).strip(" .")
    if not name.strip("_"):
        return f"attachment-{index}{_EXTENSIONS.get(media_type, '.bin')}"
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 16:
        return _cut(name, _MAX_NAME)
    return _cut(stem, _MAX_NAME - 1 - len(extension.encode())) + dot + extension


def _cut(text: str, octets: int) -> str:
    return text.encode("utf-8", "replace")[:octets].decode("utf-8", "ignore")
