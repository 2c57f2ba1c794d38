"""Damages mails, for tests of what reads them."""

import random

__all__ = ["mutated"]

SPLINTERS = [b"\r\n", b"\n", b"\r", b"\0", b"--", b"--b", b"--a--", b"\r\n\r\n", b"=?utf-8?q?", b"?=", b"\xff", b'"', b"<", b">", b"(", b";", b"=", b"Content-Type: multipart/mixed; boundary=b\r\n", b"&#", b"<!--", b" " * 99]  # fmt: skip


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """The mail with a few pieces removed, repeated or put in."""
    for _ in range(chance.randint(1, 8)):
        at, size = chance.randint(0, len(raw)), chance.randint(0, 40)
        piece = chance.choice([b"", raw[at : at + size] * 2, chance.choice(SPLINTERS), chance.randbytes(size)])
        raw = raw[:at] + piece + raw[at + size * chance.randint(0, 1) :]
    return raw
