"""Event types and the patterns that webhooks subscribe by."""

from pathlib import Path

import pytest

from mailsvc.domain.events import EVENT_OF_STATUS, VOCABULARY, is_pattern, matches
from mailsvc.domain.lifecycle import Status


@pytest.mark.parametrize(
    ("pattern", "is_one"),
    [
        ("*", True), ("message.*", True), ("relay.*", True), ("message.sent", True), ("webhook.test", True),
        ("", False), (".*", False), ("mess.*", False), ("message", False), ("message.", False), ("message.lost", False), ("message.*.*", False), ("**", False),
    ],
)  # fmt: skip
def test_a_pattern_is_a_star_a_family_or_an_exact_type(pattern: str, is_one: bool) -> None:
    """What would match nothing for ever is no pattern."""
    assert is_pattern(pattern) == is_one


@pytest.mark.parametrize(
    ("patterns", "event_type", "covered"),
    [
        (("*",), "relay.paused", True), (("message.*",), "message.sent", True), (("message.*",), "relay.paused", False),
        (("message.sent",), "message.sent", True), (("message.sent",), "message.bounced", False), ((), "message.sent", False),
        (("relay.*", "message.sent"), "message.sent", True),
    ],
)  # fmt: skip
def test_a_pattern_matches_its_types(patterns: tuple[str, ...], event_type: str, covered: bool) -> None:
    assert matches(patterns, event_type) == covered


def test_every_reported_status_has_an_event_type() -> None:
    """All but those that are on their way."""
    assert set(EVENT_OF_STATUS.values()) <= VOCABULARY.keys()
    assert set(Status) - EVENT_OF_STATUS.keys() == {Status.SCHEDULED, Status.QUEUED, Status.SENDING}


def test_the_page_of_events_says_what_the_vocabulary_says() -> None:
    """Each type stands in docs/events.md with the same words."""
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text("utf-8")
    rows = [f"| `{name}` | {text} |" for name, text in VOCABULARY.items()]

    assert rows == [line for line in page.splitlines() if line.startswith("| `")]
