"""The frozen bytes of many messages at once."""

import msgspec
from sqlalchemy import Connection, LargeBinary, cast, func, select

from mailsvc.store.bulk import Spoken, among, decoder_of, listed
from mailsvc.store.tables import body

__all__ = ["read_bodies"]


class _Piece(msgspec.Struct, array_like=True, gc=False):
    message_id: str
    size: int


_ids = among(body.c.message_id, "ids")
_QUERY = Spoken(
    # One row with all contents joined, and the end of each: both are aggregated in the same order.
    sqlite=select(
        func.json_group_array(func.json_array(body.c.message_id, func.length(body.c.content))),
        cast(func.group_concat(body.c.content, ""), LargeBinary),
    ).where(_ids),
    postgresql=select(body.c.message_id, body.c.content).where(_ids),
    prepare=False,
)
_decode = decoder_of(_Piece)


def read_bodies(connection: Connection, message_ids: list[str]) -> dict[str, bytes]:
    """The content of these messages by id; needs memory for all of them twice."""
    rows = _QUERY.ask(connection, ids=listed(message_ids))
    return _apart(*rows[0]) if connection.dialect.name == "sqlite" else dict(rows)


def _apart(pieces: str, contents: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    start = 0
    for piece in _decode(pieces):
        found[piece.message_id] = contents[start : start + piece.size]
        start += piece.size
    return found
