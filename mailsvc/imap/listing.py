"""Which messages there are, and how large they are, in bounded steps: a folder may hold hundreds of thousands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsvc.imap.client import MOST_UID, Client
from mailsvc.mailaccess.errors import ProtocolViolation, Stage

__all__ = ["WINDOW", "Listed", "list_each", "uids_after"]

WINDOW = 50_000  # UIDs that one SEARCH may find: with ten digits each they are half of the longest line
MOST_SIZE = 2**63 - 1  # RFC 9051 section 9: number64


@dataclass(frozen=True, slots=True)
class Listed:
    """What is known of a message without reading it."""

    size: int  # in bytes, as the server says
    received_at: datetime | None  # INTERNALDATE; None where it was not asked for or can't be read
    flags: frozenset[str]  # lower case


def uids_after(client: Client, uid: int, *, limit: int) -> tuple[int, ...]:
    """The lowest UIDs above that one, sorted, at most so many; none means that there are none."""
    if uid >= MOST_UID:
        return ()
    with client.at(Stage.LIST) as connection:
        connection.has_news = False
        if connection.exists <= WINDOW:
            return _found(client, uid, "*")[:limit]
        return _found_in_window(client, uid)[:limit]


def _found_in_window(client: Client, uid: int) -> tuple[int, ...]:
    """A folder that could answer with too long a line: look at so many UIDs, and where there are none, find the next."""
    if found := _found(client, uid, str(min(uid + WINDOW, MOST_UID))):
        return found
    if (following := _first_above(client, uid)) is None:
        return ()
    return _found(client, following - 1, str(min(following - 1 + WINDOW, MOST_UID)))


def _found(client: Client, uid: int, end: str) -> tuple[int, ...]:
    # n:* always has the last message (section 6.4.8).
    return tuple(sorted({found for found in client.search("UID", f"{uid + 1}:{end}") if found > uid}))


def _first_above(client: Client, uid: int) -> int | None:
    """The lowest UID above that one. During FETCH by number no message may vanish (section 7.5.1), so numbers hold."""
    low, high = 1, client.connection.exists
    if (following := _uid_of(client, high)) <= uid:
        return None
    while low < high:
        middle = (low + high) // 2
        if (there := _uid_of(client, middle)) > uid:
            high, following = middle, there
        else:
            low = middle + 1
    return following


def _uid_of(client: Client, number: int) -> int:
    for told in client.fetch_each(str(number), "(UID)", uid=False):
        if told[b"SEQ"] == number and 1 <= told[b"UID"] <= MOST_UID:
            uid: int = told[b"UID"]
            return uid
    raise ProtocolViolation(Stage.LIST, f"the server doesn't give the UID of message {number}")


def list_each(client: Client, batch: str, *, dates: bool) -> dict[int, Listed]:
    """Size, flags and, if wanted, the date of each of these; those that are missing are gone."""
    asked = set(map(int, batch.split(",")))
    with client.at(Stage.LIST):
        told = client.fetch_each(batch, "(RFC822.SIZE INTERNALDATE FLAGS)" if dates else "(RFC822.SIZE FLAGS)")
        return {one[b"UID"]: _listed(one) for one in told if one[b"UID"] in asked and b"RFC822.SIZE" in one}


def _listed(told: dict[bytes, Any]) -> Listed:
    size, date = told[b"RFC822.SIZE"], told.get(b"INTERNALDATE")
    if not isinstance(size, int) or not 0 <= size <= MOST_SIZE:
        raise ProtocolViolation(Stage.LIST, f"the size of message {told[b'UID']} is no number of bytes")
    flags = told.get(b"FLAGS") or ()
    return Listed(size, date, frozenset(_flag(flag) for flag in flags))


def _flag(flag: object) -> str:
    return (flag.decode("ascii", "backslashreplace") if isinstance(flag, bytes) else str(flag)).lower()
