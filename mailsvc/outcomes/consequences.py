"""Which addresses an outcome stops mail to: hard bounces and complaints at once, full mailboxes after some of them."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, and_, delete, func, or_, select

from mailsvc import clock
from mailsvc.apps.suppressions import Suppression, add_suppressions
from mailsvc.domain.bounce import SoftBounceLimit
from mailsvc.domain.lifecycle import Change
from mailsvc.outcomes.outcome import Outcome
from mailsvc.store.bulk import carry_out, insertion
from mailsvc.store.tables import soft_bounce

__all__ = ["Affected", "suppress"]


class Affected(msgspec.Struct, frozen=True, gc=False):
    """A recorded outcome, the recipient, and the event about it."""

    outcome: Outcome
    app_id: str
    recipient: str
    event_id: str | None


def suppress(
    connection: Connection, affected: Sequence[Affected], *, now: int, soft_bounces: SoftBounceLimit | None
) -> None:
    """Add the suppressions that follow from these outcomes, each with its event."""
    found = [s for one in affected if (s := _at_once(one))]
    full = [one for one in affected if _is_full(one)]
    if full and soft_bounces:
        found += _repeated(connection, full, soft_bounces, now)
    add_suppressions(connection, found, now=now)


def _at_once(one: Affected) -> Suppression | None:
    outcome = one.outcome
    if outcome.report is not None and not outcome.report.suppresses:
        return None
    if outcome.change is Change.COMPLAIN:
        return Suppression(one.app_id, one.recipient, "complaint", event_id=one.event_id)
    if outcome.bounce is None or outcome.bounce.type != "hard":
        return None
    return Suppression(one.app_id, one.recipient, "hard_bounce", note=outcome.bounce.reason, event_id=one.event_id)


def _is_full(one: Affected) -> bool:
    outcome = one.outcome
    if outcome.bounce is None or outcome.bounce.reason != "mailbox_full":
        return False
    return outcome.report is None or outcome.report.suppresses


def _repeated(connection: Connection, full: Sequence[Affected], limit: SoftBounceLimit, now: int) -> list[Suppression]:
    """Count these bounces, and return suppressions of the addresses that reach the limit."""
    rows = [
        {
            "app_id": one.app_id,
            "address": one.recipient.lower(),
            "bounced_at": now,
            "delivery_id": one.outcome.delivery_id,
        }
        for one in full
    ]
    carry_out(connection, insertion(connection.dialect.name, soft_bounce, rows))
    table, since = soft_bounce.c, now - limit.within
    own = or_(*(and_(table.app_id == row["app_id"], table.address == row["address"]) for row in rows))
    connection.execute(delete(soft_bounce).where(own, table.bounced_at < since))
    counted = select(table.app_id, table.address).where(own, table.bounced_at >= since)
    counted = counted.group_by(table.app_id, table.address).having(func.count() >= limit.count)
    over = {(row.app_id, row.address) for row in connection.execute(counted)}
    note = f"mailbox_full {limit.count} times within {limit.within // clock.DAY} days"
    return [
        Suppression(one.app_id, one.recipient, "hard_bounce", note=note, event_id=one.event_id)
        for one in full
        if (one.app_id, one.recipient.lower()) in over
    ]
