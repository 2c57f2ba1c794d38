"""What a fork must not carry over: the descriptors of a service that runs in the process which forks.

A lock of a file belongs to its open file description, of which a forked child has a copy: without the care that is taken
here, a dead worker's locks would stay locked for as long as any child of its host lives. The child also must not write to
its parent's connections. So it lets go of all descriptors, first of all.

SQLite is different: it keeps locks and open files in static memory, by file, and does not notice a fork. So every transaction
ends before the fork, and all its connections are closed.
"""

import contextlib
import os
import socket
import weakref
from typing import Any, Protocol, TypeVar

__all__ = ["Descriptor", "close_in_child", "cut_in_child", "forget_in_child", "rest_while_forking", "watch_forks"]


class _Closable(Protocol):
    def close(self) -> None: ...


class _WithDescriptors(Protocol):
    def descriptors(self) -> list[int]: ...


class _WithDescriptor(Protocol):
    def fileno(self) -> int: ...


class _Forgetful(Protocol):
    def forked(self) -> None: ...


class _Resting(Protocol):
    def rest(self) -> None: ...
    def go_on(self) -> None: ...


C = TypeVar("C", bound=_Closable)

_to_close: weakref.WeakSet[_Closable] = weakref.WeakSet()
_to_cut: weakref.WeakSet[_WithDescriptor | _WithDescriptors] = weakref.WeakSet()
_to_forget: weakref.WeakSet[_Forgetful] = weakref.WeakSet()
_to_rest: weakref.WeakSet[_Resting] = weakref.WeakSet()
_resting: list[_Resting] = []
_watched: list[bool] = []


def close_in_child(thing: C) -> C:
    """Have it closed in forked children. Its ``close`` must do nothing else: not write, not remove. Returns it."""
    _to_close.add(thing)
    return thing


def cut_in_child(thing: _WithDescriptor | _WithDescriptors) -> None:
    """Have its descriptors lead nowhere in forked children, for what can't be closed without a word to the other side."""
    _to_cut.add(thing)


def forget_in_child(thing: _Forgetful) -> None:
    """Have ``forked`` called in forked children, where none of its threads exist."""
    _to_forget.add(thing)


def rest_while_forking(thing: _Resting) -> None:
    """Have it rest during every fork."""
    _to_rest.add(thing)


def watch_forks() -> None:
    """From now on, take care at every fork of this process. A process without a service in its threads needs none."""
    if not _watched:
        _watched.append(True)
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)


class Descriptor:
    """A file's descriptor that is closed in forked children, or when nobody holds it any more."""

    def __init__(self, number: int) -> None:
        self._number = number
        close_in_child(self)

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        if self._number >= 0:
            number, self._number = self._number, -1
            os.close(number)

    def __del__(self) -> None:
        self.close()


def _before() -> None:
    for thing in list(_to_rest):
        thing.rest()
        _resting.append(thing)


def _after() -> None:
    while _resting:
        _resting.pop().go_on()


def _descriptors(thing: Any) -> list[int]:
    return list(thing.descriptors() if hasattr(thing, "descriptors") else [thing.fileno()])


def _close(thing: _Closable) -> None:
    if isinstance(thing, socket.socket):
        os.close(thing.detach())  # ``close`` would wait for those of its files, and TLS is not to say goodbye
    else:
        thing.close()


def _in_child() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for thing in list(_to_cut):
        with contextlib.suppress(Exception):
            for number in _descriptors(thing):
                os.dup2(nowhere, number, inheritable=False)
    os.close(nowhere)
    for closable in list(_to_close):
        with contextlib.suppress(Exception):
            _close(closable)
    _to_cut.clear()
    _to_close.clear()
    _after()
    for forgetful in list(_to_forget):
        forgetful.forked()
