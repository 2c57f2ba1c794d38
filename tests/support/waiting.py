"""Waiting until something is true."""

import time
from collections.abc import Callable

__all__ = ["wait_until"]


def wait_until(is_true: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again; fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
