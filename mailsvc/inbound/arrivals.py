"""From stored mails to what they mean: classified, and recorded with their events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import thread_time

from mailsvc.findings.record import Terms, record_arrivals
from mailsvc.inbound.classify import classify
from mailsvc.inbox.keep import KeptMail
from mailsvc.inbox.shown import ClassifiedMail
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.wake import EVENTS, MAILBOXES, NOTIFY, Bell
from mailsvc.store.database import Database, is_away
from mailsvc.telemetry import Meter
from mailsvc.understand.mail import understand

__all__ = ["ArrivalRecorder"]

MOST_SECONDS = 2.0  # of computing, for one mail


@dataclass(frozen=True, slots=True)
class ArrivalRecorder:
    """Classifies stored mails and records what they mean.

    Args:
        keys: that sign the tokens in addresses and envelope ids.
    """

    database: Database
    bell: Bell
    terms: Terms
    keys: tuple[bytes, ...]
    meter: Meter = field(default_factory=Meter)

    def record(self, kept: Sequence[KeptMail]) -> bool:
        """Record these mails. One that can't be recorded as what it is becomes ``unparsed``. Returns whether all are recorded.

        Raises:
            SQLAlchemyError, OSError: the database is away.
        """
        if not kept:
            return True
        found = [self._classified(one) for one in kept]
        recorded = [True] if self._is_stored(found) else [self._is_stored_alone(one) for one in found]
        self.bell.ring(NOTIFY, EVENTS)
        return all(recorded)

    def _classified(self, kept: KeptMail) -> ClassifiedMail:
        began = thread_time()
        try:
            found = classify(kept, self.keys)
        except Exception as error:  # noqa: BLE001 - its raw form is stored: it can be classified again
            log_error(error, arrival=kept.id)
            return _unreadable(kept.id, _FAULT)
        return found if thread_time() - began <= MOST_SECONDS else _unreadable(kept.id, _SLOW)

    def _is_stored_alone(self, one: ClassifiedMail) -> bool:
        return self._is_stored([one]) or self._is_stored([_unreadable(one.id, _FAULT)])

    def _is_stored(self, found: Sequence[ClassifiedMail]) -> bool:
        try:
            self._store(found)
        except Exception as error:
            if is_away(error):
                raise
            log_error(error, arrival=found[0].id)
            return False
        return True

    def _store(self, found: Sequence[ClassifiedMail]) -> None:
        with self.database.write() as connection:
            kinds = record_arrivals(connection, found, now=self.database.now(), terms=self.terms)
        if len(kinds) < len(found):
            self.bell.ring(MAILBOXES)  # the worker looks again soon
        for kind in kinds:
            self.meter.count(f"arrivals.{kind}")


_FAULT = "The mail could not be read, because of a fault in this program; its raw form is complete."
_SLOW = f"The mail could not be read within {MOST_SECONDS:.0f} seconds; its raw form is complete."


def _unreadable(arrival_id: str, flaw: str) -> ClassifiedMail:
    return ClassifiedMail(arrival_id, "unparsed", understand(b"", ()), flaw)
