"""Signed return paths: a bounce address of its own for every delivery (VERP), that nobody else can make up."""

import hmac
from collections.abc import Sequence

from mailsvc.domain.returnpath import TOKEN_LENGTH

__all__ = ["read_return_path", "return_path"]

# Characters of base32: 40 bits. Who guesses needs the delivery's own id, too, 80 bits of which are random.
_MARK = TOKEN_LENGTH - 26
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def return_path(address: str, delivery_id: str, key: bytes) -> str:
    """``bounces@app.test`` and a delivery → ``bounces+<id><mark>@app.test``."""
    local, _, domain = address.rpartition("@")
    token = delivery_id.removeprefix("dlv_")
    return f"{local}+{token}{_sign(token, key)}@{domain}"


def read_return_path(address: str, keys: Sequence[bytes]) -> str | None:
    """The delivery that such an address was made for, or None where no key made it."""
    local = address.rpartition("@")[0]
    token = local.rpartition("+")[2].lower()
    body, mark = token[:-_MARK], token[-_MARK:]
    if len(body) != 26 or not token.isascii():
        return None
    return f"dlv_{body}" if any(hmac.compare_digest(mark, _sign(body, key)) for key in keys) else None


def _sign(token: str, key: bytes) -> str:
    digest = hmac.digest(key, b"return path " + token.encode(), "sha256")
    return "".join(_ALPHABET[byte & 31] for byte in digest[:_MARK])
