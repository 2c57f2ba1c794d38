"""Encrypts stored secrets with the first of the operator's keys; any of the keys decrypts them."""

import base64
import hashlib
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

__all__ = ["Vault", "VaultError"]


class VaultError(Exception):
    """A stored secret can't be decrypted with any of the keys in MAILSVC_SECRET_KEY."""


class Vault:
    """Encrypts and decrypts stored credentials, and derives keys for signing.

    Args:
        keys: comma-separated keys (``MAILSVC_SECRET_KEY``), each of any text; the first encrypts, all decrypt.
    """

    def __init__(self, keys: str) -> None:
        parts = [key.strip() for key in keys.split(",") if key.strip()]
        if not parts:
            raise ValueError("MAILSVC_SECRET_KEY is empty")
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key, b"storage"))) for key in parts])
        self._decrypt = lru_cache(maxsize=1024)(self._fernet.decrypt)  # a webhook's secret is needed at every post
        self.signing_keys = tuple(_derive(key, b"signing") for key in parts)

    def encrypt(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, token: str) -> str:
        """The secret; raises VaultError if no key fits."""
        try:
            return self._decrypt(token.encode()).decode()
        except InvalidToken as error:
            raise VaultError("a stored secret was encrypted with another MAILSVC_SECRET_KEY") from error


def _derive(key: str, purpose: bytes) -> bytes:
    return hmac.digest(hashlib.sha256(key.encode()).digest(), b"mailsvc " + purpose, "sha256")
