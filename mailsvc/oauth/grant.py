"""A grant (RFC 6749 section 1.3): how access tokens are had, as applications send it, and its checks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from mailsvc.domain.errors import FieldError
from mailsvc.domain.targets import Forbidden, TargetPolicy, check_url, literal_address, vet
from mailsvc.oauth.presets import ANY_TENANT, PRESETS, Endpoints, Preset, Service

__all__ = ["MASK", "OAuth", "check_oauth", "check_oauth_target", "endpoints_of", "is_loopback_url", "is_usable_url"]

MASK = "********"  # shown in place of a stored secret
LONGEST = 8192  # characters; Microsoft's refresh tokens have up to 2,000
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", re.ASCII)
_TEXTS = ("client_id", "client_secret", "refresh_token", "scope", "access_token")


class OAuth(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """How to log in with OAuth 2: a grant that renews access tokens, or one fixed access token."""

    preset: Preset | None = None
    grant: Literal["refresh_token", "client_credentials"] = "refresh_token"
    token_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    scope: str | None = None
    tenant: str | None = None
    access_token: str | None = None

    def __repr__(self) -> str:
        return f"OAuth(preset={self.preset!r}, grant={self.grant!r})"  # the rest is secret

    @property
    def is_empty(self) -> bool:
        """Whether nothing is given, which means the same as no OAuth."""
        return self == OAuth(grant=self.grant)

    @property
    def renews(self) -> bool:
        """Whether access tokens come from a token endpoint."""
        return not self.is_empty and self.access_token is None


@dataclass(frozen=True, slots=True)
class _Rule:
    """What must hold, the field at fault otherwise, and what to do about it."""

    holds: object
    field: str
    fix: str


def endpoints_of(oauth: OAuth, service: Service) -> Endpoints:
    """Where tokens come from, and the scope to ask for: what the grant names, else what its preset knows."""
    known = PRESETS[oauth.preset](oauth.grant, oauth.tenant, service) if oauth.preset else Endpoints(token_url="")
    return replace(known, token_url=oauth.token_url or known.token_url, scope=oauth.scope or known.scope)


def check_oauth(oauth: OAuth | None) -> list[FieldError]:
    """Every error of the object, each with its field (``oauth.client_id``) and the fix."""
    if oauth is None or oauth.is_empty:
        return []
    errors = [*_text_errors(oauth), *(_fixed_token_errors(oauth) if oauth.access_token else _grant_errors(oauth))]
    return list({error.field: error for error in reversed(errors)}.values())[::-1]  # one for each field: its first


def check_oauth_target(oauth: OAuth | None, targets: TargetPolicy) -> FieldError | None:
    """The error of a token_url with an address that may not be dialled; names are resolved and checked at every request."""
    host = urlsplit(oauth.token_url).hostname if oauth is not None and oauth.token_url else None
    literal = literal_address(host) if host else None
    if literal is None:
        return None
    try:
        vet([literal], targets, setting="MAILSVC_RELAY_TARGETS")
    except Forbidden as error:
        return FieldError("oauth.token_url", str(error))
    return None


def is_usable_url(url: str) -> bool:
    """Whether secrets may be sent to this URL: https, or http on this host."""
    try:
        check_url(url, "any")
    except ValueError:
        return False
    return url.startswith("https://") or is_loopback_url(url)


def is_loopback_url(url: str) -> bool:
    """Whether the URL leads to this host."""
    host = urlsplit(url).hostname or ""
    literal = literal_address(host)
    return host == "localhost" if literal is None else literal.is_loopback


def _text_errors(oauth: OAuth) -> list[FieldError]:
    return _broken(
        _Rule(rule, field, fix)
        for field in _TEXTS
        if (text := getattr(oauth, field)) is not None
        for rule, fix in (
            (text != MASK, "is the placeholder for a stored secret; send the real value, or leave it out to keep it"),
            (text, "must not be empty; leave it out instead"),
            (text.isprintable() and len(text) <= LONGEST, f"must be at most {LONGEST} characters on one line"),
        )
    )


def _fixed_token_errors(oauth: OAuth) -> list[FieldError]:
    is_alone = oauth == OAuth(grant=oauth.grant, access_token=oauth.access_token)
    is_token = oauth.access_token is not None and oauth.access_token.isascii() and " " not in oauth.access_token
    return _broken(
        [
            _Rule(is_alone, "access_token", "is never renewed: set it to null where a grant gets tokens"),
            _Rule(is_token, "access_token", "must have ASCII characters without spaces (RFC 6749 appendix A.12)"),
        ]
    )


def _grant_errors(oauth: OAuth) -> list[FieldError]:
    is_machine = oauth.grant == "client_credentials"
    return _broken(
        [
            _Rule(
                oauth.token_url is None or is_usable_url(oauth.token_url),
                "token_url",
                "must be an https:// URL such as https://login.example.com/oauth2/token (http:// only on this host)",
            ),
            _Rule(oauth.preset or oauth.token_url, "token_url", "is required without a preset"),
            _Rule(oauth.client_id, "client_id", "is required: the id of the application at the provider"),
            _Rule(
                is_machine or oauth.refresh_token,
                "refresh_token",
                "is required for the grant refresh_token; mailsvc relay authorize and mailbox authorize get one",
            ),
            _Rule(not is_machine or oauth.client_secret, "client_secret", "is required for client_credentials"),
            *_provider_rules(oauth, is_machine=is_machine),
        ]
    )


def _provider_rules(oauth: OAuth, *, is_machine: bool) -> list[_Rule]:
    is_microsoft, tenant = oauth.preset == "microsoft", oauth.tenant or ""
    return [
        _Rule(
            not (is_machine and oauth.preset == "google"),
            "grant",
            "must be refresh_token: Google gives no access to mail for client_credentials",
        ),
        _Rule(oauth.tenant is None or is_microsoft, "tenant", "is known to the preset microsoft only; leave it out"),
        _Rule(
            oauth.tenant is None or _TENANT.fullmatch(tenant),
            "tenant",
            "must be the directory's id or domain, such as contoso.onmicrosoft.com",
        ),
        _Rule(
            not (is_machine and is_microsoft) or (tenant and tenant.lower() not in ANY_TENANT),
            "tenant",
            "is required for client_credentials: the directory's id or domain",
        ),
    ]


def _broken(rules: Iterable[_Rule]) -> list[FieldError]:
    return [FieldError(f"oauth.{rule.field}", rule.fix) for rule in rules if not rule.holds]
