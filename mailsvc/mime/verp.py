"""Signed return paths: each delivery has its own bounce address (VERP), which can't be forged."""

import hmac
from collections.abc import Sequence

from mailsvc.domain.returnpath import TOKEN_LENGTH

__all__ = ["read_return_path", "return_path"]

# Characters of base32: 40 bits. A guess also needs the delivery's id, which has 80 random bits.
_MARK = TOKEN_LENGTH - 26
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def return_path(address: str, delivery_id: str, key: bytes) -> str:
    """Return ``bounces+<id><mark>@app.test`` for ``bounces@app.test`` and a delivery."""
    local, _, domain = address.rpartition("@")
    token = delivery_id.removeprefix("dlv_")
    return f"{local}+{token}{_sign(token, key)}@{domain}"


def read_return_path(address: str, keys: Sequence[bytes]) -> str | None:
    """Return the delivery of such an address, or None if it is signed with none of the keys."""
    local = address.rpartition("@")[0]
    token = local.rpartition("+")[2].lower()
    body, mark = token[:-_MARK], token[-_MARK:]
    if len(body) != 26 or not token.isascii():
        return None
    return f"dlv_{body}" if any(hmac.compare_digest(mark, _sign(body, key)) for key in keys) else None


def _sign(token: str, key: bytes) -> str:
    digest = hmac.digest(key, b"return path " + token.encode(), "sha256")
    return "".join(_ALPHABET[byte & 31] for byte in digest[:_MARK])
