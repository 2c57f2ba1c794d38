"""A parcel: the claimed recipients of one message that go out in one SMTP transaction."""

from collections.abc import Sequence

import msgspec

from mailsvc import clock
from mailsvc.delivery.claim import MessageFacts
from mailsvc.delivery.journal import Journal
from mailsvc.domain.attempt import Reply
from mailsvc.domain.relay import Relay
from mailsvc.mime.tokens import envelope_id, return_path
from mailsvc.smtp.opening import Submission
from mailsvc.store.leases import DueDelivery

__all__ = ["Parcel", "pack"]


class Parcel(msgspec.Struct, eq=False):
    """One transaction to send; also the transaction's ``session.Dot``."""

    message: MessageFacts
    claims: tuple[DueDelivery, ...]
    envelope_sender: str
    envelope_id: str
    journal: Journal
    deadline: float  # on the monotonic clock: after it, another worker may hold the lease
    content: bytes | None = None
    held_bytes: int = 0
    number: int | None = None  # in the journal, from just before the dot
    relay_id: str = ""
    relay_host: str = ""
    host: str = ""

    def about(self, accepted: Sequence[int]) -> bool:
        """Whether the final dot may be sent, which is while the lease holds. Records it in the journal."""
        if clock.monotonic() >= self.deadline:
            return False
        self.number = self.journal.about(
            [(self.claims[n].id, self.claims[n].lease_token) for n in accepted], self.relay_id, self.host
        )
        return True

    def got(self, reply: Reply) -> None:
        """Record the reply to the final dot in the journal."""
        if self.number is not None:
            self.journal.got(self.number, reply)

    def submission(self, relay: Relay) -> Submission:
        assert self.content is not None
        return Submission(
            sender=self.envelope_sender,
            recipients=tuple([c.recipient for c in self.claims]),
            content=self.content,
            envid=self.envelope_id,
            smtputf8=self.message.smtputf8,
            eight_bit=self.message.eight_bit,
            notify_success=self.message.delivery_receipt,
            dsn=relay.dsn,
        )


def pack(
    message: MessageFacts,
    claims: Sequence[DueDelivery],
    relay: Relay,
    journal: Journal,
    *,
    deadline: float,
    key: bytes,
) -> list[Parcel]:
    """Pack the claims of one message: together if they share an envelope sender, else one by one."""
    path = message.return_path or relay.return_path
    several: list[tuple[tuple[DueDelivery, ...], str]]
    if path and relay.verp:
        several = [((claim,), return_path(path, claim.id, key)) for claim in claims]
    else:
        several = [(tuple(claims), path or message.envelope_sender)]
    return [
        Parcel(
            message,
            together,
            sender,
            envelope_id(together[0].id if len(together) == 1 else message.id, key),
            journal,
            deadline,
            relay_id=relay.id,
            relay_host=relay.host,
        )
        for together, sender in several
    ]
