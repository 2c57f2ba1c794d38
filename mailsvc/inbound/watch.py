"""Watches one mailbox in a thread: session after session, with pauses after failures, until it is stopped."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.apps.mailbox_state import FailedSession, note_failed_session, note_look
from mailsvc.inbound.imap_watch import ImapWatch, Looked
from mailsvc.inbound.intake import Intake, NoRoom
from mailsvc.inbound.login import AnotherToken
from mailsvc.inbound.pop3_watch import Pop3Watch
from mailsvc.inbound.trouble import Backoff
from mailsvc.inbox.leases import LeaseLost
from mailsvc.mailaccess.errors import MailAccessError, ProtocolViolation, Stage
from mailsvc.oauth.errors import OAuthError
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.wake import EVENTS, NOTIFY
from mailsvc.telemetry import facts, log

__all__ = ["Watch"]

LONGEST_STALL = 900.0  # seconds without a mail, a look or a reply to IDLE; a large mail may take long
LONGEST_REST = 86_400.0  # seconds, as long as the longest poll_interval; a damaged row must not end the watch
WITHOUT_STORAGE = 2.0  # seconds until the next try while nothing can be stored


class _Sessions(Protocol):
    """Sessions in one protocol."""

    def run_session(self) -> float: ...

    def close(self) -> None: ...


class Watch:
    """One mailbox in one thread.

    Args:
        intake: where mails go.
        row: the mailbox's row, with its state.

    Attributes:
        version: of the settings that it was made with.
    """

    def __init__(self, intake: Intake, row: Any) -> None:
        self._intake = intake
        self._stop, self._woken = threading.Event(), threading.Event()
        self._sessions = _sessions_of(intake, self._stop, self._looked)
        self._backoff = Backoff(row.failures)
        self._shown: tuple[Any, ...] | None = (
            None if row.last_read_at is None else (bool(row.failing), row.status_reason)
        )
        self._has_waited_from = row.retry_at
        self.version: int = row.updated_at
        self._looked_at: int | None = None
        self._thread = threading.Thread(target=self._run, name=f"mailbox {row.name}"[:40], daemon=True)
        self._is_in_session = False
        self._is_counted = False  # this session, as one in which the mailbox was read
        self._is_troubled = row.retry_at is not None or row.failures > 0

    def start(self) -> None:
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether the thread ended by itself, because another process reads the mailbox now."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Ask the thread to end; does not wait for it."""
        self._stop.set()
        self._woken.set()
        self._sessions.close()

    def end_if_stalled(self) -> None:
        """End a session that does not get on; the next one is tried as after any failure."""
        if self._is_in_session and self._intake.progress.stalled_for() > LONGEST_STALL:
            log.warning("a session with a mailbox stands still", extra=facts(mailbox=self._intake.mailbox.name))
            self._sessions.close()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def take_look(self) -> int | None:
        """The last complete look that is not stored yet; the worker stores those of all mailboxes together."""
        looked_at, self._looked_at = self._looked_at, None
        return looked_at

    # In the thread

    def _run(self) -> None:
        retry_at = self._has_waited_from
        if isinstance(retry_at, int):  # SQLite lets a row hold another type
            self._rest((retry_at - self._intake.database.now()) / clock.SECOND)
        while not self._stop.is_set():
            try:
                self._rest(self._session())
            except LeaseLost:
                return
            except Exception as error:  # noqa: BLE001 - the thread must go on after any error
                log_error(error, mailbox=self._intake.mailbox.name)
                self._rest(WITHOUT_STORAGE)

    def _session(self) -> float:
        """Run one session. Returns the seconds to rest."""
        self._woken.clear()
        self._is_counted, self._is_in_session = False, True
        self._intake.progress.mark()
        try:
            self._intake.check_room()  # without room, nobody logs in again and again
            return self._sessions.run_session()
        except AnotherToken:
            return 0.0
        except (MailAccessError, OAuthError) as error:
            return 0.0 if self._stop.is_set() else self._failed(error)
        except NoRoom as error:
            log.warning("mailboxes are not read", extra=facts(mailbox=self._intake.mailbox.name, reason=str(error)))
            return WITHOUT_STORAGE
        except (LeaseLost, SQLAlchemyError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours, which may come back: not in a tight loop
            log_error(error, mailbox=self._intake.mailbox.name)
            return self._failed(ProtocolViolation(Stage.FETCH, f"unexpected: {type(error).__name__}"))
        finally:
            self._is_in_session = False

    def _failed(self, error: MailAccessError | OAuthError) -> float:
        self._intake.recorder.meter.count("mailbox_sessions.failed")
        now = self._intake.database.now()
        failed = self._backoff.failed(error, now=now)
        log.warning(
            "a mailbox can't be read",
            extra=facts(mailbox=self._intake.mailbox.name, reason=failed.reason, error=failed.detail),
        )
        self._shown = None
        self._note(lambda connection: note_failed_session(connection, self._intake.mailbox.id, failed, now=now))
        return ((failed.retry_at or now) - now) / clock.SECOND

    def _looked(self, trouble: FailedSession | None) -> None:
        self._backoff.worked()
        if not self._is_counted:
            self._intake.recorder.meter.count("mailbox_sessions.ok")
            self._is_counted = True
        now = self._intake.database.now()
        shown = (trouble is not None, trouble.reason if trouble else None)
        if shown == self._shown and not self._is_troubled:
            self._looked_at = now
            return
        self._note(lambda connection: note_look(connection, self._intake.mailbox.id, trouble, now=now))
        self._shown, self._is_troubled = shown, False

    def _note(self, step: Callable[[Any], bool]) -> None:
        self._is_troubled = True
        with self._intake.database.write() as connection:
            is_told = step(connection)
        if is_told:
            self._intake.recorder.bell.ring(NOTIFY, EVENTS)

    def _rest(self, seconds: float) -> None:
        if seconds > 0 and not self._stop.is_set():
            self._woken.wait(min(seconds, LONGEST_REST))


def _sessions_of(intake: Intake, stop: threading.Event, looked: Looked) -> _Sessions:
    return (ImapWatch if intake.mailbox.protocol == "imap" else Pop3Watch)(intake, stop, looked)
