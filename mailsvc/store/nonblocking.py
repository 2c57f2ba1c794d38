"""Threads that must not block, such as an event loop's: there a call of the database raises instead."""

import threading

__all__ = ["WouldBlock", "forbid_waiting", "refuse_to_wait"]


class WouldBlock(BaseException):
    """This thread must not block: call from another one. Not a failure, hence no Exception."""


_this_thread = threading.local()


def forbid_waiting() -> None:
    """From now on, this thread must not block."""
    _this_thread.is_forbidden = True


def refuse_to_wait() -> None:
    """Raises WouldBlock if the current thread must not block."""
    if getattr(_this_thread, "is_forbidden", False):
        raise WouldBlock
