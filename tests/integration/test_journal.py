"""The send journal on a disk that fills up."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsvc.delivery.journal import Journal, replies_of_others
from mailsvc.domain.attempt import Reply

FIRST, SECOND = [("dlv_1", 1)], [("dlv_2", 1)]
MANY = [(f"dlv_{n}", 1) for n in range(10, 30_000)]  # in a line that is longer than the room that is taken beforehand
TAKEN = Reply(250, "2.0.0", "taken")


@contextlib.contextmanager
def limited_to(octets: int) -> Iterator[None]:
    """Files may grow to so much, as on a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_does_not_fit_is_not_written(tmp_path: Path) -> None:
    """Its dot may not go out, and it spoils no line after it: those of a killed worker would be sent again."""
    journal = Journal(tmp_path, "wrk_a")
    (file,) = tmp_path.glob("*.journal")
    journal.about(FIRST, "rly_a", "mx.app.test")
    with limited_to(file.stat().st_size + 10), pytest.raises(OSError, match="journal"):
        journal.about(MANY, "rly_a", "mx.app.test")
    journal.got(journal.about(SECOND, "rly_a", "mx.app.test"), TAKEN)

    assert list(replies_of_others(tmp_path, "wrk_b")) == SECOND


def test_lines_are_placed_correctly_while_the_file_grows(tmp_path: Path) -> None:
    """And a reply goes where its dot was noted, into however old a file."""
    journal = Journal(tmp_path, "wrk_a")
    first = journal.about(FIRST, "rly_a", "mx.app.test")
    numbers = [journal.about(MANY, "rly_a", "mx.app.test") for _ in range(10)]
    for number in [first, *numbers]:
        journal.got(number, TAKEN)

    assert len(list(tmp_path.iterdir())) == 2
    assert sorted(replies_of_others(tmp_path, "wrk_b")) == sorted(FIRST + MANY)


def test_a_failed_write_does_not_keep_the_file(tmp_path: Path) -> None:
    """There is nothing to settle of it."""
    journal = Journal(tmp_path, "wrk_a")
    (file,) = tmp_path.glob("*.journal")
    with limited_to(file.stat().st_size + 10), pytest.raises(OSError, match="journal"):
        journal.about(MANY, "rly_a", "mx.app.test")
    journal.close()

    assert list(tmp_path.iterdir()) == []


def test_a_failed_creation_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """While a disk is full it is tried again and again: descriptors would run out."""
    Journal(tmp_path, "wrk_a").close()
    before = len(os.listdir("/proc/self/fd"))
    with limited_to(10), pytest.raises(OSError, match="journal"):
        Journal(tmp_path, "wrk_a")

    assert len(os.listdir("/proc/self/fd")) == before
    assert list(tmp_path.iterdir()) == []
