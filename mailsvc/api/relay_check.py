"""Checks a relay on request; where it logs in with OAuth 2, getting a token is the first step."""

from dataclasses import replace
from typing import Any

from mailsvc import clock
from mailsvc.api.parts import Services
from mailsvc.domain.relay import Relay
from mailsvc.oauth.errors import OAuthError

__all__ = ["check_relay"]

PATIENCE = 5.0  # seconds for another process that renews the token: the caller is waiting


def check_relay(parts: Services, relay: Relay) -> dict[str, Any]:
    """Log in to the relay now. Returns the object of POST /v1/relays/{id}/check."""
    if not relay.needs_token:
        return parts.check_relay(relay)
    began, tokens = clock.monotonic(), parts.relays.tokens
    try:
        token = tokens.get(relay.id, targets=relay.targets, patience=PATIENCE)
        report = parts.check_relay(replace(relay, access_token=token))
        if _is_login_refused(report) and tokens.invalidate(relay.id, token):
            token = tokens.get(relay.id, targets=relay.targets, patience=PATIENCE)
            report = parts.check_relay(replace(relay, access_token=token))
    except OAuthError as error:
        report = {"ok": False, "tls": None, "capabilities": [], "steps": [_step(error.text, ok=False)]}
    else:
        report = report | {"steps": [_step("got an access token", ok=True), *report["steps"]]}
    return report | {"duration_ms": round((clock.monotonic() - began) * 1000, 3)}


def _is_login_refused(report: dict[str, Any]) -> bool:
    last = report["steps"][-1]
    return not last["ok"] and bool(last["stage"] == "auth")


def _step(detail: str, *, ok: bool) -> dict[str, Any]:
    return {"stage": "oauth", "ok": ok, "detail": detail}
