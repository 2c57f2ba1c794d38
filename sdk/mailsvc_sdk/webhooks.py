"""Webhooks: tells those of mailsvc from forged ones (Standard Webhooks 1.0)."""

import base64
import binascii
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from mailsvc_sdk import events
from mailsvc_sdk._errors import SignatureError

__all__ = ["sign", "verify", "verify_signature"]

HeadersLike: TypeAlias = (
    Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
)
MOST_SIGNATURES = 32


def verify(
    body: bytes | str,
    headers: HeadersLike,
    secret: str | Sequence[str],
    *,
    tolerance: float | timedelta = 300,
    now: float | datetime | None = None,
) -> events.Event:
    """Return the event of a webhook that mailsvc sent.

    Args:
        body: as it came, before anything decoded it.
        headers: of the request.
        secret: ``whsec_…``, or several of which one must fit (during a rotation).
        tolerance: seconds that the sender's clock and ours may differ.
        now: by default, the present time.

    Raises:
        SignatureError: it is forged, too old, or no event; ``reason`` says which. The answer is 400.
        ValueError: the secret is none.
    """
    verify_signature(body, headers, secret, tolerance=tolerance, now=now)
    try:
        return events.parse(body if isinstance(body, str) else bytes(body).decode())
    except (ValueError, RecursionError) as error:
        raise SignatureError("the body is no event", reason="body") from error


def verify_signature(
    body: bytes | str,
    headers: HeadersLike,
    secret: str | Sequence[str],
    *,
    tolerance: float | timedelta = 300,
    now: float | datetime | None = None,
) -> None:
    """Raise SignatureError unless the body is signed with the secret, or one of the secrets; it may be any body."""
    keys = [_key(text) for text in ([secret] if isinstance(secret, str) else secret)]
    id_, timestamp, signatures = _signed_headers(headers)
    _require_recent(timestamp, _seconds(tolerance), _instant(now))
    expected = [_digest(key, id_, timestamp, _bytes(body)) for key in keys]
    import hmac  # noqa: PLC0415 - only where it is needed: the package is to be imported quickly

    # All are compared, each in constant time: which one fits is nobody's business.
    fits = [hmac.compare_digest(given, digest) for given in signatures for digest in expected]
    if not any(fits):
        raise SignatureError("no signature fits the body", reason="no_match")


def sign(body: bytes | str, id: str, timestamp: float | datetime, secret: str) -> str:
    """Return the value of ``webhook-signature``, for tests."""
    seconds = str(int(_instant(timestamp)))
    digest = _digest(_key(secret), id.encode(), seconds, _bytes(body))
    return f"v1,{base64.b64encode(digest).decode()}"


def _bytes(body: bytes | str) -> bytes:
    return body.encode(errors="surrogatepass") if isinstance(body, str) else bytes(body)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def _digest(key: bytes, id_: bytes, timestamp: str, body: bytes) -> bytes:
    import hmac  # noqa: PLC0415 - only where it is needed: the package is to be imported quickly

    return hmac.digest(key, b".".join((id_, timestamp.encode(), body)), "sha256")


def _signed_headers(headers: HeadersLike) -> tuple[bytes, str, list[bytes]]:
    id_, timestamp, signature = (_one(headers, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        raise SignatureError("webhook-timestamp is not a number of seconds", reason="malformed_header")
    return _bytes(id_), timestamp, _signatures(signature)


def _one(headers: HeadersLike, name: str) -> str:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found = [_text(value) for key, value in pairs if _text(key).lower() == name]
    if not found:
        raise SignatureError(f"{name} is missing", reason="missing_header")
    if len(found) > 1 or not found[0]:
        raise SignatureError(f"{name} must be there once", reason="malformed_header")
    return found[0]


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _signatures(header: str) -> list[bytes]:
    marks = [mark.partition(",") for mark in header.split()[:MOST_SIGNATURES]]
    return [_decoded(value) for version, _, value in marks if version == "v1"]


def _decoded(mark: str) -> bytes:
    try:
        return base64.b64decode(mark, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("webhook-signature is not base64", reason="malformed_header") from None


def _require_recent(timestamp: str, tolerance: float, now: float) -> None:
    age = now - int(timestamp)
    if age > tolerance:
        raise SignatureError(f"the webhook was signed {age:.0f} s ago", reason="too_old")
    if -age > tolerance:
        raise SignatureError(f"the webhook was signed {-age:.0f} s in the future", reason="too_new")


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _instant(value: float | datetime | None) -> float:
    if value is None:
        return time.time()
    return value.timestamp() if isinstance(value, datetime) else value
