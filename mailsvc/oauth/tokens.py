"""Asks a token endpoint for access tokens (RFC 6749 sections 4.4 and 6) and understands its answers (section 5)."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from oauthlib.oauth2 import BackendApplicationClient, WebApplicationClient

from mailsvc.mailaccess.errors import readable
from mailsvc.mailaccess.sasl import without_secrets
from mailsvc.oauth.errors import GrantRefused, NotYetAuthorized, OAuthError, TokenUnavailable
from mailsvc.oauth.exchange import Answer, Reach, post_form
from mailsvc.oauth.grant import OAuth
from mailsvc.oauth.presets import Endpoints

__all__ = ["Tokens", "renew", "tokens_from", "understood"]

USUAL_LIFE = 3600  # seconds, for a token of which the server does not say it
SHORTEST_LIFE, LONGEST_LIFE = 60, 30 * 86_400  # bounds of what is believed
LONGEST_TOKEN = 16_384  # characters
MOST_WAIT = 3600.0  # seconds of a Retry-After that are heeded
# Errors that pass by themselves; everything else wants a person.
_PASSING = ("temporarily_unavailable", "server_error", "internal_failure", "rate_limit_exceeded", "too_many_requests")
_PENDING = ("authorization_pending", "slow_down")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave.

    Attributes:
        refresh_token: the one to use from now on; None where the last one stays valid (RFC 6749 section 6).
        life: seconds.
    """

    access_token: str = field(repr=False)
    life: int
    refresh_token: str | None = field(default=None, repr=False)


def renew(oauth: OAuth, endpoints: Endpoints, reach: Reach, *, refresh_token: str | None) -> Tokens:
    """Get a new access token.

    Args:
        refresh_token: the latest one, which may be newer than that of the grant.

    Raises:
        GrantRefused: a person must act.
        TokenUnavailable: no token now.
    """
    secrets = [secret for secret in (refresh_token, oauth.client_secret) if secret]
    return tokens_from(endpoints.token_url, _form(oauth, endpoints, refresh_token), reach, secrets)


def _form(oauth: OAuth, endpoints: Endpoints, refresh_token: str | None) -> str:
    client_id, scope = oauth.client_id or "", endpoints.scope
    if oauth.grant == "client_credentials":
        machine = BackendApplicationClient(client_id)
        return str(machine.prepare_request_body(scope=scope, client_secret=oauth.client_secret, include_client_id=True))
    secret = {"client_secret": oauth.client_secret} if oauth.client_secret else {}
    client = WebApplicationClient(client_id)
    return str(client.prepare_refresh_body(refresh_token=refresh_token, scope=scope, client_id=client_id, **secret))


def tokens_from(url: str, form: str, reach: Reach, secrets: Iterable[str]) -> Tokens:
    """Post a token request. The errors' texts have none of the secrets; see ``renew``."""
    host = urlsplit(url).hostname or url
    document = understood(host, post_form(url, form, reach), secrets)
    try:
        return Tokens(_token(document["access_token"]), _life(document.get("expires_in")), _optional_token(document))
    except (KeyError, ValueError) as error:
        raise TokenUnavailable(f"{host} answered without a usable access token ({error})") from error


def understood(host: str, answer: Answer, secrets: Iterable[str]) -> dict[str, Any]:
    """The members of a successful answer.

    Raises:
        OAuthError: the answer is an error, or nothing that can be understood.
    """
    document = _json_object(answer.body)
    if document is not None and isinstance(document.get("error"), str):
        raise _refusal(host, answer, document, secrets)
    if answer.status != 200 or document is None:
        raise TokenUnavailable(f"{host} {_strange(answer)}", wait=_retry_after(answer))
    return document


def _refusal(host: str, answer: Answer, document: dict[str, Any], secrets: Iterable[str]) -> OAuthError:
    code, description = _text(document["error"]), _text(document.get("error_description"))
    said = without_secrets(f"{code}: {description}" if description else code, secrets)
    if code in _PENDING:
        return NotYetAuthorized(said, is_too_often=code == "slow_down")
    if code in _PASSING or answer.status == 429 or answer.status >= 500:
        return TokenUnavailable(f"{host} gives no token now: {said}", wait=_retry_after(answer))
    return GrantRefused(f"{host} refused: {said}", code=code)


def _strange(answer: Answer) -> str:
    if answer.status // 100 == 3:
        return f"answered {answer.status}, a redirect, which is not followed: correct oauth.token_url"
    if answer.status == 200:
        return "answered with something that is no JSON object"
    return f"answered {answer.status}"


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _token(value: Any) -> str:
    # RFC 6749 appendix A.12; a line break or NUL would end the command that logs in.
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOKEN:
        raise ValueError("not a text of usual length")
    if not all("!" <= char <= "~" for char in value):
        raise ValueError("with characters that no token has")
    return value


def _optional_token(document: dict[str, Any]) -> str | None:
    value = document.get("refresh_token")
    return None if value is None or value == "" else _token(value)


def _life(value: Any) -> int:
    try:
        seconds = float(value)  # some send it as a text
    except (TypeError, ValueError, OverflowError):
        return USUAL_LIFE
    return USUAL_LIFE if math.isnan(seconds) else int(min(max(seconds, SHORTEST_LIFE), LONGEST_LIFE))


def _retry_after(answer: Answer) -> float | None:
    given = answer.headers.get("retry-after", "")
    return min(float(given), MOST_WAIT) if given.isascii() and given.isdigit() else None


def _text(value: Any) -> str:
    return readable(value.encode("utf-8", "replace")) if isinstance(value, str) else ""
