"""What went wrong where nobody is to blame, in the log; the same thing that happens over and over is told once in a while."""

from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.store.database import explain, is_away
from mailsvc.telemetry import facts, log

__all__ = ["complain"]

AGAIN_SECONDS = 60.0
_told: dict[str, float] = {}


def complain(error: Exception, **where: str) -> None:
    """Log it."""
    if is_away(error):
        said = explain(error) if isinstance(error, SQLAlchemyError | OSError) else str(error)
        log.warning("the database is away; work waits for it", extra=facts(error=said))
        return
    key, now = f"{where.get('relay') or where.get('webhook')} {type(error).__name__} {error}"[:500], clock.monotonic()
    if now - _told.get(key, -AGAIN_SECONDS) < AGAIN_SECONDS:
        return
    if len(_told) > 1000:
        _told.clear()
    _told[key] = now
    log.error("unexpected", exc_info=error, extra=facts(**where))
