"""Checks a return path: a plain address, short enough for the token that signs it (RFC 5321 section 4.5.3.1.1)."""

from mailsvc.domain.address import Mailbox, parse_mailbox

__all__ = ["TOKEN_LENGTH", "return_path_flaw"]

MOST_LOCAL = 64  # octets that every server must accept
MOST = 254  # octets in all: a path of 256 minus its angle brackets
TOKEN_LENGTH = 34  # characters: a delivery's id of 26 and a signature of 8 (see ``mime.tokens``)


def return_path_flaw(address: str, *, verp: bool = True) -> str | None:
    """Why bounces can't be sent to this address, as the second half of a sentence, or None.

    Args:
        verp: a ``+`` and a token are added to the part before the @.
    """
    try:
        mailbox = parse_mailbox(address)
    except ValueError as error:
        return str(error)
    if mailbox.addr.lower() != address.lower():
        return "must be a plain address such as bounces@app.test"
    return _room_flaw(mailbox) if verp else None


def _room_flaw(mailbox: Mailbox) -> str | None:
    used, room = len(mailbox.local.encode()), MOST_LOCAL - 1 - TOKEN_LENGTH
    where = "before the @"
    if used <= room:
        used, room, where = len(mailbox.addr.encode()), MOST - 1 - TOKEN_LENGTH, "in all"
    if used <= room:
        return None
    return (
        f"has {used} characters {where}, which leaves no room for the token that signs it: "
        f"use at most {room}, or verp: false at the relay"
    )
