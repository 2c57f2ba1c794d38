"""Signed tokens in addresses and envelope ids, by which arriving mails name what they are about (VERP); they can't be forged.

A token is the id of a message or delivery, without its prefix, and a signature. Each purpose has signatures of its own:
whoever sees a Reply-To can't report a bounce with it.
"""

import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

from mailsvc.domain.returnpath import TOKEN_LENGTH

__all__ = [
    "Purpose",
    "envelope_id",
    "looks_signed",
    "plus_address",
    "probe_message_id",
    "probe_subject",
    "read_envelope_id",
    "read_plus_address",
    "read_probe_message_id",
    "read_probe_subject",
    "read_token",
    "return_path",
    "token",
]

# Characters of base32: 40 bits. A guess also needs the id, which has 80 random bits.
_MARK = TOKEN_LENGTH - 26
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGIT_OF = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))
_TOKEN = re.compile(rf"[{_ALPHABET}]{{{TOKEN_LENGTH}}}")
_PROBE, _PROBE_SUBJECT = "probe.", "mailsvc probe ("
_ENVELOPE_ID = re.compile(rf"(?:msg|dlv)_[{_ALPHABET}]{{{TOKEN_LENGTH}}}")


class Purpose(StrEnum):
    """What a token is for; the id in it is a delivery's, that of ``REPLY`` a message's, that of ``PROBE`` a mail's that
    we sent to ourselves to see what an account supports.
    """

    RETURN_PATH = "return path"
    REPLY = "reply"
    UNSUBSCRIBE = "unsubscribe"
    PROBE = "probe"


def return_path(address: str, delivery_id: str, key: bytes) -> str:
    """Return ``bounces+<token>@app.test`` for ``bounces@app.test`` and a delivery."""
    return plus_address(address, delivery_id, Purpose.RETURN_PATH, key)


def plus_address(address: str, id_: str, purpose: Purpose, key: bytes) -> str:
    """Return the address with a token after a plus sign (RFC 5233: a subaddress)."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{token(id_, purpose, key)}@{domain}"


def token(id_: str, purpose: Purpose, key: bytes) -> str:
    """Return the id without its prefix, and its signature for this purpose: ``TOKEN_LENGTH`` characters."""
    bare = id_[4:]
    return bare + _mark(purpose, bare, key)


def read_token(text: str, purpose: Purpose, keys: Sequence[bytes]) -> str | None:
    """Return the id, without its prefix, in a token that one of the keys signed for this purpose."""
    text = text.lower()
    bare, mark = text[:-_MARK], text[-_MARK:]
    if len(bare) != 26 or not text.isascii():
        return None
    return bare if any(hmac.compare_digest(mark, _mark(purpose, bare, key)) for key in keys) else None


def read_plus_address(address: str, purpose: Purpose, keys: Sequence[bytes]) -> str | None:
    """Return the id, without its prefix, that an address names for this purpose, or None."""
    return read_token(_subaddress(address), purpose, keys)


def looks_signed(address: str) -> bool:
    """Whether an address has the form of a signed one, whatever its signature."""
    return _TOKEN.fullmatch(_subaddress(address).lower()) is not None


def probe_message_id(id_: str, domain: str, key: bytes) -> str:
    """Return the Message-ID of a probe mail, by which it and all that answers it are recognised."""
    return f"<{_PROBE}{token(id_, Purpose.PROBE, key)}@{domain}>"


def read_probe_message_id(message_id: str, keys: Sequence[bytes]) -> str | None:
    """Return the id, without its prefix, of the probe mail with this Message-ID, or None if it is another mail's."""
    local = message_id.strip("<> ").partition("@")[0]
    return read_token(local.removeprefix(_PROBE), Purpose.PROBE, keys) if local.startswith(_PROBE) else None


def probe_subject(what: str, id_: str, key: bytes) -> str:
    """Return the Subject of a probe mail: some providers replace the Message-ID."""
    return f"{_PROBE_SUBJECT}{what}) {token(id_, Purpose.PROBE, key)}"


def read_probe_subject(subject: str, keys: Sequence[bytes]) -> str | None:
    """Return the id, without its prefix, of the probe mail with this Subject, or None if it is another mail's."""
    is_probe = subject.startswith(_PROBE_SUBJECT)
    return read_token(subject.rpartition(" ")[2], Purpose.PROBE, keys) if is_probe else None


def envelope_id(id_: str, key: bytes) -> str:
    """Return the ENVID (RFC 3461 section 4.4) of a transaction for one delivery, or for several of one message."""
    return id_ + _mark("envelope id", id_, key)


def read_envelope_id(text: str, keys: Sequence[bytes]) -> str | None:
    """Return the delivery's or message's id of an ENVID, or None if it is signed with none of the keys."""
    text = text.strip().lower()
    if _ENVELOPE_ID.fullmatch(text) is None:
        return None
    id_, mark = text[:-_MARK], text[-_MARK:]
    return id_ if any(hmac.compare_digest(mark, _mark("envelope id", id_, key)) for key in keys) else None


def _subaddress(address: str) -> str:
    return address.rpartition("@")[0].rpartition("+")[2]


def _mark(purpose: str, id_: str, key: bytes) -> str:
    digest = hmac.digest(key, f"{purpose} {id_}".encode(), "sha256")
    return digest[:_MARK].translate(_DIGIT_OF).decode()
