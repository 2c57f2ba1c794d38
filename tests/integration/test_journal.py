"""The send journal on a disk that fills up."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsvc.delivery.journal import Journal, heard_by_others
from mailsvc.domain.attempt import Reply

FIRST, SECOND, THIRD = [("dlv_1", 1)], [("dlv_2", 1)], [("dlv_3", 1)]
TAKEN = Reply(250, "2.0.0", "taken")


@contextlib.contextmanager
def limited_to(octets: int) -> Iterator[None]:
    """Files may grow to so much: a longer write writes what fits, as on a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_is_cut_short_is_no_line(tmp_path: Path) -> None:
    """Its dot may not go out, and it spoils no line after it: those of a killed worker would be sent again."""
    journal = Journal(tmp_path, "wrk_a")
    (file,) = tmp_path.glob("*.journal")
    journal.about(FIRST, "rly_a", "mx.app.test")
    with limited_to(file.stat().st_size + 10), pytest.raises(OSError, match="journal"):
        journal.about(SECOND, "rly_a", "mx.app.test")
    journal.got(journal.about(THIRD, "rly_a", "mx.app.test"), TAKEN)

    assert list(heard_by_others(tmp_path, "wrk_b")) == THIRD


def test_a_line_that_could_not_be_written_keeps_no_file(tmp_path: Path) -> None:
    """There is nothing to settle of it."""
    journal = Journal(tmp_path, "wrk_a")
    (file,) = tmp_path.glob("*.journal")
    with limited_to(file.stat().st_size + 10), pytest.raises(OSError, match="journal"):
        journal.about(FIRST, "rly_a", "mx.app.test")
    journal.close()

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_could_not_be_begun_leaves_nothing_open(tmp_path: Path) -> None:
    """While a disk is full it is tried again and again: descriptors would run out."""
    Journal(tmp_path, "wrk_a").close()
    before = len(os.listdir("/proc/self/fd"))
    with limited_to(10), pytest.raises(OSError, match="journal"):
        Journal(tmp_path, "wrk_a")

    assert len(os.listdir("/proc/self/fd")) == before
    assert list(tmp_path.iterdir()) == []
