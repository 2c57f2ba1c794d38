"""Tells a service on this host that there are submissions. Only a hint: it looks by itself, too."""

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from mailsvc.runtime.wake import Bell

__all__ = ["Ring"]

_WAITING = "mailsvc.rings"


class Ring:
    """Wakes the services of a data directory. Nothing is opened before it is first rung, nor kept over a fork."""

    def __init__(self, data_dir: str | os.PathLike[str] | None) -> None:
        # Not by the settings, whose checks take long to load: this is the application's process.
        found = data_dir if data_dir is not None else os.environ.get("MAILSVC_DATA_DIR")  # noqa: TID251
        self._data_dir = Path(found) if found else None
        self._bell: Bell | None = None
        self._pid = 0
        self._lock = threading.Lock()

    @property
    def is_heard(self) -> bool:
        """Whether it is known where a service would listen."""
        return self._data_dir is not None

    def __call__(self) -> None:
        """Wake them. Never raises: at worst nobody is woken."""
        with contextlib.suppress(OSError):
            bell = self._of_this_process()
            if bell is not None:
                from mailsvc.runtime.wake import SUBMISSIONS  # noqa: PLC0415 - loaded where there is somebody to wake

                bell.ring(SUBMISSIONS)

    def _of_this_process(self) -> "Bell | None":
        if self._data_dir is None or not (self._data_dir / "wake").is_dir():
            return None
        if self._pid != os.getpid():
            self._lock, self._bell, self._pid = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._bell is None:
                from mailsvc.runtime.wake import Bell  # noqa: PLC0415 - see above

                self._bell = Bell(self._data_dir)
            return self._bell

    def after(self, session: "Session") -> None:
        """Ring when the session's outermost transaction has ended, however it ends: ``after_commit`` comes too early."""
        if not self.is_heard:
            return
        if _WAITING not in session.info:
            session.info[_WAITING] = set()
            event.listen(session, "after_transaction_end", _ended)
        session.info[_WAITING].add(self)


def _ended(session: "Session", transaction: Any) -> None:
    waiting = session.info[_WAITING]
    while transaction.parent is None and waiting:
        waiting.pop()()
