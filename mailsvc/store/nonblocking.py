"""Threads that must not wait, such as an event loop's: there the database refuses to be asked, instead of holding them up."""

import threading

__all__ = ["WouldBlock", "forbid_waiting", "refuse_to_wait"]


class WouldBlock(BaseException):
    """This thread must not wait for what it asked for; another one should ask. No failure, hence no Exception."""


_this_thread = threading.local()


def forbid_waiting() -> None:
    """From now on, this thread must not wait."""
    _this_thread.is_forbidden = True


def refuse_to_wait() -> None:
    """Raises WouldBlock where the current thread must not wait."""
    if getattr(_this_thread, "is_forbidden", False):
        raise WouldBlock
