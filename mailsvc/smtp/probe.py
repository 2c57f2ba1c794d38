"""Checks a relay on request: connects, starts TLS, logs in, quits, and reports each step."""

import asyncio
import logging
from dataclasses import fields, replace
from typing import Any

import msgspec

from mailsvc import clock
from mailsvc.domain.attempt import Stage, Tls
from mailsvc.domain.relay import Relay, Timeouts
from mailsvc.smtp.opening import RelayTrouble, Session, open_session
from mailsvc.smtp.trouble import unexpected

__all__ = ["probe"]

_log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds for each phase, whatever the relay's settings allow
LONGEST = 28.0  # for all phases together: the caller is waiting


def probe(relay: Relay) -> dict[str, Any]:
    """Open a session and close it again, from a thread without an event loop; takes at most half a minute.

    Returns:
        ``{"ok", "steps": [{"stage", "ok", "detail"}], "tls": {"version", "cipher", "verified"} | None,
        "capabilities": […], "duration_ms"}``; the last step is the one that failed, if one did.
    """
    return asyncio.run(_probe(relay))


async def _probe(relay: Relay) -> dict[str, Any]:
    began = clock.monotonic()
    report: dict[str, Any]
    try:
        async with asyncio.timeout(LONGEST):
            session = await open_session(_with_short_timeouts(relay))
            await session.quit()
            report = _success(relay, session)
    except RelayTrouble as trouble:
        report = _failure(relay, trouble)
    except TimeoutError:
        report = _failure(relay, RelayTrouble(Stage.CONNECT, f"gave up after {LONGEST:.0f} seconds"))
    except Exception as error:  # noqa: BLE001 - the report shows the same error as the delivery worker would
        _log.error("a check failed", exc_info=error, extra={"facts": {"relay": relay.name}})
        report = _failure(relay, unexpected(Stage.CONNECT, error))
    return report | {"duration_ms": round((clock.monotonic() - began) * 1000, 3)}


def _with_short_timeouts(relay: Relay) -> Relay:
    given = {phase.name: min(PATIENCE, getattr(relay.timeouts, phase.name)) for phase in fields(Timeouts)}
    return replace(relay, timeouts=Timeouts(**given))


def _success(relay: Relay, session: Session) -> dict[str, Any]:
    return {"ok": True, **_seen(relay, _stages(relay), session.tls, session.capabilities.lines)}


def _failure(relay: Relay, trouble: RelayTrouble) -> dict[str, Any]:
    stages = _stages(relay)
    passed = stages[: stages.index(trouble.stage)] if trouble.stage in stages else []
    report = {"ok": False, **_seen(relay, passed, trouble.tls, trouble.offered)}
    code = f"{trouble.reply.code} " if trouble.reply is not None else ""
    report["steps"].append(_step(trouble.stage, code + trouble.text, ok=False))
    return report


def _seen(relay: Relay, passed: list[Stage], tls: Tls | None, offered: tuple[str, ...]) -> dict[str, Any]:
    said = {
        Stage.CONNECT: f"{relay.host}:{relay.port}",
        Stage.STARTTLS: f"{tls.version} {tls.cipher}" if tls else "done",
        Stage.AUTH: f"logged in as {relay.username}",
    }
    return {
        "steps": [_step(stage, said.get(stage, "answered")) for stage in passed],
        "tls": msgspec.to_builtins(tls) if tls is not None else None,
        "capabilities": list(offered),
    }


def _stages(relay: Relay) -> list[Stage]:
    """The stages of opening a session, in order."""
    opening = {
        "starttls": [Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS],
        "implicit": [Stage.CONNECT, Stage.STARTTLS, Stage.GREETING, Stage.EHLO],
        "none": [Stage.CONNECT, Stage.GREETING, Stage.EHLO],
    }[relay.tls]
    return [*opening, Stage.AUTH] if relay.username is not None else opening


def _step(stage: Stage, detail: str, *, ok: bool = True) -> dict[str, Any]:
    return {"stage": stage.value, "ok": ok, "detail": detail}
