"""Standard Webhooks: secrets and signatures (standardwebhooks.com, specification 1.0)."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence

import msgspec

__all__ = ["TrialPost", "check_secret", "new_secret", "sign"]

PREFIX = "whsec_"


def new_secret() -> str:
    """Return a new secret of 32 bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def check_secret(text: str) -> bytes:
    """Return the key in a ``whsec_…`` secret; raises ValueError if it is not one."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def sign(given: Sequence[str], event_id: str, timestamp: int, body: bytes) -> str:
    """Return the ``webhook-signature`` header: one signature per secret, so that both are valid during a rotation.

    Args:
        given: secrets, the current one first.
        timestamp: seconds since the epoch, as in ``webhook-timestamp``.
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    marks = (base64.b64encode(hmac.digest(check_secret(secret), signed, "sha256")).decode() for secret in given)
    return " ".join(f"v1,{mark}" for mark in marks)


class TrialPost(msgspec.Struct, frozen=True):
    """An event to be posted once, on request, with its signing secrets and trusted CAs (None for the usual ones)."""

    url: str
    ca_pem: str | None
    body: bytes
    secrets: list[str]
    event_id: str
