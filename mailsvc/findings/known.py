"""The messages that the clues of some mails name, read with few statements however many mails there are."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, select

from mailsvc import clock
from mailsvc.domain.ids import is_id
from mailsvc.domain.jsontext import object_in
from mailsvc.domain.lifecycle import Status
from mailsvc.mime.given_ids import identifiers_of
from mailsvc.store.bulk import Document, among, listed
from mailsvc.store.tables import delivery, message, other_message_id, relay
from mailsvc.understand.clues import Clues

__all__ = ["Known", "KnownDelivery", "KnownMessage", "Named", "is_believed", "read_known"]

SIGNED_FOR = 60 * clock.DAY  # a report about an older delivery is not believed


class KnownDelivery(msgspec.Struct, array_like=True):
    """A delivery; its status follows what the mails before in the same transaction changed."""

    id: str
    message_id: str
    recipient: str
    status: Status


class KnownMessage(msgspec.Struct, array_like=True):
    """A message with its deliveries."""

    id: str
    app_id: str
    header_message_id: str
    return_path: str | None
    relay_id: str
    tags: str
    metadata: str
    created_at: int
    deliveries: list[KnownDelivery] = []
    is_signed: bool = True  # it went out with a return path that names its delivery
    by_address: dict[str, KnownDelivery] = {}  # made when it is asked for

    def to(self, address: str | None) -> KnownDelivery | None:
        """Return the delivery to this address, in the form of ``comparable``."""
        if not self.by_address:
            self.by_address = {one.recipient.lower(): one for one in reversed(self.deliveries)}
        return self.by_address.get(address or "")

    @property
    def only(self) -> KnownDelivery | None:
        """Return the one delivery of a message that has no other."""
        return self.deliveries[0] if len(self.deliveries) == 1 else None


class Named(msgspec.Struct, frozen=True):
    """A message that a clue names, and its delivery where the clue says which."""

    message: KnownMessage
    delivery: KnownDelivery | None
    is_given: bool = False  # by the Message-ID that a relay gave it


class Known:
    """What the clues name, for one app at a time."""

    def __init__(self, messages: Iterable[KnownMessage], others: Iterable["_Other"]) -> None:
        self._messages = {one.id: one for one in messages}
        self._message_of = {d.id: m for m in self._messages.values() for d in m.deliveries}
        self._others: dict[tuple[str, str], list[_Other]] = {}
        for other in others:
            self._others.setdefault((other.app_id, other.identifier), []).append(other)

    def by_id(self, app_id: str, id_: str) -> Named | None:
        """Return the app's message or delivery with this id."""
        found = self._messages.get(id_) or self._message_of.get(id_)
        if found is None or found.app_id != app_id:
            return None
        return Named(found, next((one for one in found.deliveries if one.id == id_), None))

    def by_message_id(self, app_id: str, message_id: str) -> list[Named]:
        """Return the app's messages that have this Message-ID, the newest first."""
        own = self._messages.get(_own_id(message_id) or "")
        found = [Named(own, None)] if own and (own.app_id, own.header_message_id) == (app_id, message_id) else []
        for identifier in identifiers_of(message_id):
            for other in sorted(
                self._others.get((app_id, identifier), ()), key=lambda one: one.message_id, reverse=True
            ):
                named = self.by_id(app_id, other.delivery_id or other.message_id)
                found += [msgspec.structs.replace(named, is_given=bool(other.delivery_id))] if named else []
        return found


def read_known(connection: Connection, wanted: Sequence[tuple[str, Clues]]) -> Known:
    """Return what the clues of some mails name, each with the app that its mailbox belongs to."""
    message_ids = [id_ for _, clues in wanted for id_ in _message_ids(clues)]
    others = _read_others(connection, {app_id for app_id, _ in wanted}, message_ids)
    ids = {id_ for _, clues in wanted for id_ in _signed_ids(clues)}
    ids |= {own for message_id in message_ids if (own := _own_id(message_id))}
    ids |= {other.message_id for other in others}
    of_deliveries = {id_ for id_ in ids if id_.startswith("dlv_")}
    parents = {row.message_id for row in _BY_ID.read(connection, ids=listed(of_deliveries))} if of_deliveries else set()
    return Known(_read_messages(connection, parents | ids - of_deliveries), others)


class _Other(msgspec.Struct, array_like=True, gc=False, frozen=True):
    app_id: str
    identifier: str
    message_id: str
    delivery_id: str


_COLUMNS = (delivery.c.id, delivery.c.message_id, delivery.c.recipient, delivery.c.status)
_BY_ID = Document(select(*_COLUMNS).where(among(delivery.c.id, "ids")), KnownDelivery)
_OF_MESSAGES = Document(
    select(*_COLUMNS).where(among(delivery.c.message_id, "ids")).order_by(delivery.c.id), KnownDelivery
)
_MESSAGES = Document(
    select(
        message.c.id,
        message.c.app_id,
        message.c.message_id,
        message.c.return_path,
        message.c.relay_id,
        message.c.tags,
        message.c.metadata,
        message.c.created_at,
    ).where(among(message.c.id, "ids")),
    KnownMessage,
)
_OTHERS = Document(
    select(
        other_message_id.c.app_id,
        other_message_id.c.identifier,
        other_message_id.c.message_id,
        other_message_id.c.delivery_id,
    ).where(among(other_message_id.c.app_id, "apps"), among(other_message_id.c.identifier, "identifiers")),
    _Other,
)


def _read_others(connection: Connection, apps: set[str], message_ids: Sequence[str]) -> list[_Other]:
    identifiers = {identifier for message_id in message_ids for identifier in identifiers_of(message_id)}
    if not identifiers:
        return []
    return list(_OTHERS.read(connection, apps=listed(apps), identifiers=listed(identifiers)))


def _read_messages(connection: Connection, ids: set[str]) -> list[KnownMessage]:
    if not ids:
        return []
    found = {one.id: one for one in _MESSAGES.read(connection, ids=listed(ids))}
    for one in _OF_MESSAGES.read(connection, ids=listed(found)):
        found[one.message_id].deliveries.append(one)
    signing = _signing_relays(connection, {one.relay_id for one in found.values()})
    for message_ in found.values():
        has_path, has_token = signing.get(message_.relay_id, (True, True))
        message_.is_signed = has_token and (has_path or message_.return_path is not None)
    return list(found.values())


def _signing_relays(connection: Connection, ids: set[str]) -> dict[str, tuple[bool, bool]]:
    """Return for each relay whether it has a return path, and whether that carries a token."""
    rows = connection.execute(select(relay.c.id, relay.c.config).where(relay.c.id.in_(ids)))
    configs = {row.id: object_in(row.config) for row in rows}
    return {id_: (bool(config.get("return_path")), bool(config.get("verp", True))) for id_, config in configs.items()}


def _message_ids(clues: Clues) -> tuple[str, ...]:
    return (*clues.message_ids, *clues.in_reply_to, *clues.references)


def _signed_ids(clues: Clues) -> tuple[str, ...]:
    return (*clues.return_paths, *clues.envelope_ids, *clues.reply_tokens, *clues.unsubscribes)


def _own_id(message_id: str) -> str | None:
    """Return the id of the message whose Message-ID was made from it."""
    id_ = "msg_" + message_id.strip("<> ").partition("@")[0]
    return id_ if is_id(id_, "msg") else None


def is_believed(named: Named, now: int) -> bool:
    """Whether a signed token about this message is young enough."""
    return now - named.message.created_at <= SIGNED_FOR
