"""Errors of ours in the log; one that happens over and over is logged once in a while."""

from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.store.database import explain, is_away
from mailsvc.telemetry import facts, log

__all__ = ["log_error"]

AGAIN_SECONDS = 60.0
_logged_at: dict[str, float] = {}


def log_error(error: Exception, **where: str) -> None:
    """Log an error, with what it happened to."""
    if is_away(error):
        said = explain(error) if isinstance(error, SQLAlchemyError | OSError) else str(error)
        log.warning("the database is away; work waits for it", extra=facts(error=said))
        return
    key, now = f"{where.get('relay') or where.get('webhook')} {type(error).__name__} {error}"[:500], clock.monotonic()
    if now - _logged_at.get(key, -AGAIN_SECONDS) < AGAIN_SECONDS:
        return
    if len(_logged_at) > 1000:
        _logged_at.clear()
    _logged_at[key] = now
    log.error("unexpected", exc_info=error, extra=facts(**where))
