"""What may follow what, every pair of it: a page that support people could read."""

from itertools import product

import pytest

from mailsvc.domain.lifecycle import FINAL, RECALLABLE, Change, Status, follow, message_status

S, C = Status, Change

# Rows are states, columns changes in the order of their definition: the state that follows, or "." for none.
CHANGES = (
    C.SENT,
    C.BOUNCE,
    C.DEFER,
    C.RETURN,
    C.GIVE_UP,
    C.EXPIRE,
    C.SUPPRESS,
    C.CANCEL,
    C.HOLD,
    C.RELEASE,
    C.POSTPONE,
    C.RETRY,
    C.DELIVER,
    C.COMPLAIN,
    C.FIND,
    C.MISS,
)
TABLE = """
scheduled   .     .       .        .       .         expired .          canceled held .       .         queued .         .          .    .
queued      .     .       .        .       .         expired .          canceled held .       .         queued .         .          .    .
sending     sent  bounced deferred queued  uncertain expired suppressed .        .    .       .         .      .         .          .    .
deferred    .     .       .        .       .         expired .          canceled held .       .         queued .         .          sent queued
held        .     .       .        .       .         expired .          canceled .    queued  scheduled queued .         .          sent .
sent        .     bounced .        .       .         .       .          .        .    .       .         .      delivered complained .    .
delivered   .     bounced .        .       .         .       .          .        .    .       .         .      .         complained .    .
bounced     .     .       .        .       .         .       .          .        .    .       .         queued .         .          .    .
complained  .     .       .        .       .         .       .          .        .    .       .         .      .         .          .    .
suppressed  .     .       .        .       .         .       .          .        .    .       .         queued .         .          .    .
expired     .     .       .        .       .         .       .          .        .    .       .         queued .         .          .    .
canceled    .     .       .        .       .         .       .          .        .    .       .         .      .         .          .    .
uncertain   sent  bounced .        .       .         .       .          .        .    .       .         queued delivered complained .    .
"""  # fmt: skip
ROWS = [line.split() for line in TABLE.strip().splitlines()]
PAIRS = [(row[0], change, to) for row in ROWS for change, to in zip(CHANGES, row[1:], strict=True)]


@pytest.mark.parametrize(("status", "change", "to"), PAIRS)
def test_each_change_of_each_status_has_one_result(status: str, change: Change, to: str) -> None:
    """A change that means nothing to a state leaves it alone."""
    assert follow(Status(status), change) == (None if to == "." else Status(to))


def test_the_table_is_complete() -> None:
    assert {(Status(status), change) for status, change, _ in PAIRS} == set(product(Status, Change))


def test_a_repeated_change_has_no_effect() -> None:
    """News comes twice; the second one is no news. Only an operator's retry of what waits may be repeated."""
    again = {
        (s, c) for s, c in product(Status, Change) if (to := follow(s, c)) is not None and follow(to, c) is not None
    }

    assert {change for _, change in again} == {Change.RETRY}


def test_only_statuses_that_are_not_final_can_be_canceled() -> None:
    assert not FINAL & RECALLABLE
    assert {s for s in Status if follow(s, Change.CANCEL)} == RECALLABLE


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({"sent"}, "sent"), ({"sent", "bounced"}, "partial"), ({"queued", "sent"}, "queued"), ({"held", "deferred"}, "held"),
        ({"deferred", "sending"}, "deferred"), ({"sending", "queued"}, "sending"), ({"scheduled", "canceled"}, "scheduled"),
    ],
)  # fmt: skip
def test_a_message_shows_its_most_urgent_status(statuses: set[str], expected: str) -> None:
    """All alike, else held, deferred, sending, queued, scheduled, else partial."""
    assert message_status(statuses) == expected
