"""What a return path may be: a plain address, with room for the token that signs it (RFC 5321 section 4.5.3.1.1)."""

from mailsvc.domain.address import parse_mailbox

__all__ = ["TOKEN_LENGTH", "return_path_flaw"]

MOST_LOCAL = 64  # octets: what every server must take
TOKEN_LENGTH = 34  # characters: a delivery's id of 26 and a mark of 8 (see ``mime.returnpath``)


def return_path_flaw(address: str, *, verp: bool = True) -> str | None:
    """Why bounces can't come back to this address, as the second half of a sentence, or None.

    Args:
        verp: a ``+`` and a token are added to the part before the @.
    """
    try:
        mailbox = parse_mailbox(address)
    except ValueError as error:
        return str(error)
    if mailbox.addr.lower() != address.lower():
        return "must be a plain address such as bounces@app.test"
    room = MOST_LOCAL - 1 - TOKEN_LENGTH
    if verp and len(mailbox.local.encode()) > room:
        return (
            f"has {len(mailbox.local)} characters before the @, which leaves no room for the token that makes it out: "
            f"use at most {room}, or verp: false at the relay"
        )
    return None
