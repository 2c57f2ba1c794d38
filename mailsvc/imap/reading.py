"""Reading a message in parts that are asked for by their size, so that no answer is larger than it may be."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from mailsvc.imap.client import Client
from mailsvc.mailaccess.errors import MessageGone, ProtocolViolation, ResponseTooLarge, Stage

__all__ = ["fetch", "fetch_header", "fetch_small"]

Write = Callable[[bytes], object]


def fetch(client: Client, uid: int, size: int, write: Write, *, chunk: int) -> int:
    """Hand over a message; a byte more than its size is asked for, and is the sign that the size is wrong."""
    done = 0
    while True:
        wanted = min(chunk, size - done + 1)
        data = _part(client, uid, "", done, wanted)
        if done + len(data) > size:
            raise ResponseTooLarge(Stage.FETCH, f"message {uid} has more than the {size} bytes that the server told")
        write(data)
        done += len(data)
        if len(data) < wanted:
            return done


def fetch_small(client: Client, sizes: Mapping[int, int]) -> dict[int, bytes]:
    """Return the whole messages of these UIDs and sizes, in one answer; those that are gone are missing."""
    limit = max(sizes.values()) + 1
    told: dict[int, list[dict[bytes, Any]]] = {}
    with client.at(Stage.FETCH), _literals_of(client, limit):
        for one in client.fetch_each(",".join(map(str, sorted(sizes))), f"(BODY.PEEK[]<0.{limit}>)"):
            told.setdefault(one[b"UID"], []).append(one)
    found = {}
    for uid in sizes.keys() & told.keys():
        with suppress(MessageGone):
            found[uid] = _only(told[uid], uid, "BODY[]", 0, sizes[uid])
    return found


def fetch_header(client: Client, uid: int, write: Write, *, limit: int) -> int:
    """Hand over the beginning of a message's header."""
    data = _part(client, uid, "HEADER", 0, limit)
    write(data)
    return len(data)


def _part(client: Client, uid: int, section: str, start: int, size: int) -> bytes:
    """``BODY.PEEK[]<start.size>`` (RFC 9051 section 6.4.5), which sets no flag."""
    with client.at(Stage.FETCH), _literals_of(client, size):
        told = list(client.fetch_each(str(uid), f"(BODY.PEEK[{section}]<{start}.{size}>)"))
        return _only(told, uid, f"BODY[{section}]", start, size)


@contextmanager
def _literals_of(client: Client, size: int) -> Iterator[None]:
    connection = client.connection
    usual, connection.literal_limit = connection.literal_limit, size
    try:
        yield
    finally:
        connection.literal_limit = usual


def _only(told: list[dict[bytes, Any]], uid: int, name: str, start: int, size: int) -> bytes:
    # Some servers leave out where a part starts that is the first.
    keys = [f"{name}<{start}>".encode(), *([name.encode()] if start == 0 else [])]
    found = [one[key] for one in told if one[b"UID"] == uid for key in keys if key in one]
    if not found or found[0] is None:
        raise MessageGone(Stage.FETCH, f"message {uid} is gone")
    if len(found) > 1:
        raise ProtocolViolation(Stage.FETCH, f"the server sent message {uid} twice")
    # A number or an empty string in quotes is text, too.
    data = found[0] if isinstance(found[0], bytes) else str(found[0]).encode()
    if len(data) > size:
        raise ResponseTooLarge(Stage.FETCH, f"{len(data)} bytes of message {uid}, where {size} were asked for")
    return data
