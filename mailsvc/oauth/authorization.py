"""A person's authorization: the code grant with PKCE (RFC 6749 section 4.1, RFC 7636), and the device code grant (RFC 8628)."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from oauthlib.oauth2 import DeviceClient, WebApplicationClient

from mailsvc.mailaccess.errors import readable
from mailsvc.oauth.errors import GrantRefused, TokenUnavailable
from mailsvc.oauth.exchange import Reach, post_form
from mailsvc.oauth.grant import OAuth
from mailsvc.oauth.presets import Endpoints
from mailsvc.oauth.tokens import Tokens, tokens_from, understood

__all__ = ["Consent", "DeviceCode", "ask_consent", "device_tokens", "request_device_code", "tokens_for_consent"]

VERIFIER_LENGTH = 64  # RFC 7636 section 4.1: 43 to 128
USUAL_INTERVAL, LONGEST_INTERVAL = 5.0, 60.0  # seconds (RFC 8628 section 3.2)
USUAL_LIFE, LONGEST_LIFE = 600.0, 3600.0


@dataclass(frozen=True, slots=True)
class Consent:
    """One question to a person.

    Attributes:
        url: where the browser asks it.
        state: in the redirect, shows that this answers our question.
        verifier: proves that the code is used by who asked.
    """

    url: str
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person enters at which page, and how often (in seconds) to ask whether that is done.

    Attributes:
        complete_uri: the page with the code in it; None where the server gives none.
        life: seconds.
    """

    user_code: str
    verification_uri: str
    complete_uri: str | None
    interval: float
    life: float
    code: str = field(repr=False)


def ask_consent(oauth: OAuth, endpoints: Endpoints, redirect_uri: str) -> Consent:
    """The question for a browser, whose answer is a redirect to this URI."""
    client, state = WebApplicationClient(oauth.client_id), secrets.token_urlsafe(24)
    verifier = client.create_code_verifier(VERIFIER_LENGTH)
    query = {
        "response_type": "code",
        "client_id": oauth.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": client.create_code_challenge(verifier, "S256"),
        "code_challenge_method": "S256",
        **({"scope": endpoints.scope} if endpoints.scope else {}),
        **endpoints.further,
    }
    url = endpoints.authorization_url or ""
    return Consent(f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}", redirect_uri, state, verifier)


def tokens_for_consent(
    consent: Consent, answer: Mapping[str, str], oauth: OAuth, endpoints: Endpoints, reach: Reach
) -> Tokens:
    """Exchange the code of a redirect for tokens.

    Args:
        answer: the query of the redirect.

    Raises:
        GrantRefused: the person or the server refuses, or this is no answer to our question.
        TokenUnavailable: no tokens now.
    """
    if not secrets.compare_digest(answer.get("state", "").encode(), consent.state.encode()):
        raise GrantRefused("the answer belongs to another question: run the command again")
    if "code" not in answer:
        said = ": ".join(answer[name] for name in ("error", "error_description") if answer.get(name))
        raise GrantRefused(f"not authorized: {readable(said.encode()) or 'the answer has no code'}")
    form = WebApplicationClient(oauth.client_id).prepare_request_body(
        code=answer["code"], redirect_uri=consent.redirect_uri, code_verifier=consent.verifier, **_secret(oauth)
    )
    return tokens_from(endpoints.token_url, str(form), reach, _secrets(oauth, answer["code"], consent.verifier))


def request_device_code(oauth: OAuth, endpoints: Endpoints, reach: Reach) -> DeviceCode:
    """Get a code for a person to enter on another device; raises GrantRefused or TokenUnavailable."""
    url = endpoints.device_url or ""
    form = {"client_id": oauth.client_id or "", **({"scope": endpoints.scope} if endpoints.scope else {})}
    host = urlsplit(url).hostname or url
    given = understood(host, post_form(url, urlencode({**form, **_secret(oauth)}), reach), _secrets(oauth))
    page = given.get("verification_uri", given.get("verification_url"))  # Google's name for it
    texts = [given.get("device_code"), given.get("user_code"), page]
    if not all(isinstance(text, str) and 0 < len(text) <= 4096 and text.isprintable() for text in texts):
        raise TokenUnavailable(f"{host} answered without a usable device code")
    complete = given.get("verification_uri_complete")
    return DeviceCode(
        code=str(texts[0]),
        user_code=str(texts[1]),
        verification_uri=str(texts[2]),
        complete_uri=complete if isinstance(complete, str) and complete.isprintable() else None,
        interval=_seconds(given.get("interval"), USUAL_INTERVAL, LONGEST_INTERVAL),
        life=_seconds(given.get("expires_in"), USUAL_LIFE, LONGEST_LIFE),
    )


def device_tokens(device: DeviceCode, oauth: OAuth, endpoints: Endpoints, reach: Reach) -> Tokens:
    """Ask whether the person has entered the code.

    Raises:
        NotYetAuthorized: ask again after the interval.
        GrantRefused, TokenUnavailable: as for ``tokens_for_consent``.
    """
    form = DeviceClient(oauth.client_id).prepare_request_body(device.code, include_client_id=True, **_secret(oauth))
    return tokens_from(endpoints.token_url, str(form), reach, _secrets(oauth, device.code))


def _secret(oauth: OAuth) -> dict[str, str]:
    return {"client_secret": oauth.client_secret} if oauth.client_secret else {}


def _secrets(oauth: OAuth, *more: str) -> list[str]:
    return [*_secret(oauth).values(), *more]


def _seconds(value: Any, usual: float, most: float) -> float:
    is_usable = isinstance(value, int | float) and math.isfinite(value) and value > 0
    return min(float(value), most) if is_usable else usual
