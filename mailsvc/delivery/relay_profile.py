"""What a relay copes with: an early next envelope, grouped commands, the number of recipients."""

from mailsvc import clock
from mailsvc.delivery.learned_limits import LearnedLimits
from mailsvc.domain.relay import Relay
from mailsvc.smtp.opening import TransactionResult
from mailsvc.telemetry import facts, log

__all__ = ["RelayProfile"]

ONE_AT_A_TIME_SECONDS = 3600.0  # then groups are tried again: the silence may have had another cause
CLEARED_SECONDS = 3600.0  # silent to single commands, too: its silence has another cause


class RelayProfile:
    """What this process learned about one relay from the results of transactions."""

    def __init__(self, relay: Relay, learnt: LearnedLimits) -> None:
        self._relay = relay
        self.learnt = learnt
        self.is_finding_out = False  # silent after a group of commands; the next session sends one command at a time
        self._one_at_a_time_until = self._cleared_until = float("-inf")

    @property
    def begins_early(self) -> bool:
        """Whether the next envelope may be sent together with the previous final dot."""
        return clock.monotonic() >= self._one_at_a_time_until

    @property
    def sends_groups(self) -> bool:
        """Whether commands may be sent in one group (RFC 2920)."""
        return not self.learnt.loses_groups and not self.is_finding_out

    @property
    def most_recipients(self) -> int:
        """How many recipients go in one transaction."""
        return self.learnt.most_of(self._relay)

    def learn(self, result: TransactionResult) -> bool:
        """Learn from a result. Returns whether the transaction should be repeated, one command at a time."""
        if result.too_early and self.begins_early:
            self._one_at_a_time_until = clock.monotonic() + ONE_AT_A_TIME_SECONDS
            self._say("relay wants one transaction at a time")
        if result.most_recipients is not None and result.most_recipients < self.most_recipients:
            self.learnt = self.learnt.fewer(result.most_recipients, now=clock.now())
            self._say("relay takes fewer recipients at once", most=result.most_recipients)
        if result.lost_group:
            return self._suspect()
        if self.is_finding_out and not result.stale and not result.proven:
            self._conclude(result)
        return False

    def _suspect(self) -> bool:
        """The relay offers PIPELINING, but did not answer a group of commands: it may lose them, or be down."""
        if self.is_finding_out:
            return True  # an earlier session; the next one decides
        if clock.monotonic() < self._cleared_until:
            return False
        self.is_finding_out = True
        return True

    def _conclude(self, result: TransactionResult) -> None:
        self.is_finding_out = False
        if result.judged:
            self.learnt = self.learnt.one_by_one(now=clock.now())
            self._say("relay loses commands that come together; it gets them one by one")
        else:
            self._cleared_until = clock.monotonic() + CLEARED_SECONDS

    def _say(self, what: str, **more: int) -> None:
        log.info(what, extra=facts(relay=self._relay.name, **more))
