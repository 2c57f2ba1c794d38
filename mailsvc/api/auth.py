"""Authenticates and authorizes requests by API keys with scopes, client networks and expiry."""

import ipaddress
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import current_app, g, request

from mailsvc import clock
from mailsvc.api.wrong_keys import WrongKeys
from mailsvc.apps.apps import find_app
from mailsvc.apps.key_form import Scope
from mailsvc.apps.keys import digest_of, find_key
from mailsvc.domain.errors import Forbidden, RateLimited, Unauthorized
from mailsvc.store.database import Database

__all__ = ["ACCESS", "CALLER", "Access", "Caller", "Keyring", "caller", "needs", "presented_key"]

P = ParamSpec("P")
R = TypeVar("R")

ACCESS = "mailsvc.access"  # in the environ of a request to a mounted API: the Access that the host grants, or None
CALLER = "mailsvc.caller"  # in the environ of a request: when its key was found, and the key's caller
CACHE_SECONDS = 1.0  # a revoked key is rejected by every process after that time
WRONG_KEYS = 20  # from one address; then it is limited to one per second
MOST_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid key."""

    key_id: str
    app_id: str
    scopes: frozenset[str]
    networks: tuple[str, ...]
    expires_at: int | None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class Access:
    """What the host of the API grants to a request, in place of a key.

    Args:
        app: the name of the app that it acts for.
        scopes: ``send``, ``read``, ``admin``.
    """

    app: str = "default"
    scopes: Iterable[Scope] = ("send", "read")

    def __post_init__(self) -> None:
        """Raises TypeError for one text, whose letters would be taken for scopes."""
        if isinstance(self.scopes, str):
            raise TypeError(f"scopes are names in a tuple, such as ({self.scopes!r},)")


class Keyring:
    """Finds the caller of a key, and limits the rate of wrong keys from one address."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[float, Caller]] = {}
        self._wrong: dict[str, float] = {}
        self._log = WrongKeys()

    def find(self, key: str, address: str) -> Caller:
        """Return the caller that the key belongs to.

        Raises:
            Unauthorized: no such key, or it is revoked or expired.
            RateLimited: too many wrong keys from this address.
        """
        digest = digest_of(key)
        caller = self._cached(digest) or self._look_up(digest)
        if caller is None or (caller.expires_at is not None and caller.expires_at <= clock.now()):
            self._log.count(address)
            self._count_wrong(address)
            raise Unauthorized("the API key is unknown, revoked or expired")
        return caller

    def app_named(self, name: str) -> str | None:
        """The id of the app with this name."""
        with self._database.read() as connection:
            return find_app(connection, name)

    def forget(self) -> None:
        """Drop the cache, because a key was changed."""
        with self._lock:
            self._cache.clear()

    def _cached(self, digest: str) -> Caller | None:
        with self._lock:
            read_at, caller = self._cache.get(digest, (-CACHE_SECONDS, None))
        return caller if clock.monotonic() - read_at < CACHE_SECONDS else None

    def _look_up(self, digest: str) -> Caller | None:
        row = find_key(self._database, digest)
        if row is None:
            return None
        caller = _caller_of(row)
        with self._lock:
            self._cache[digest] = (clock.monotonic(), caller)
        return caller

    def _count_wrong(self, address: str) -> None:
        now = clock.monotonic()
        with self._lock:
            if len(self._wrong) > MOST_ADDRESSES:
                self._wrong = {a: t for a, t in self._wrong.items() if t > now}
            debt = max(self._wrong.get(address, now), now) + 1
            self._wrong[address] = min(debt, now + WRONG_KEYS + 30)
        if debt - now > WRONG_KEYS:
            raise RateLimited(
                "too many wrong API keys from this address",
                retry_after=round(debt - now - WRONG_KEYS) + 1,
            )


def _caller_of(row: Any) -> Caller:
    return Caller(
        row.id,
        row.app_id,
        frozenset(json.loads(row.scopes)),
        tuple(json.loads(row.networks)),
        row.expires_at,
    )


def needs(scope: Scope) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a view so that only callers with this scope may use it; sets ``caller()``."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            g.caller = _authenticate(scope)
            return view(*args, **kwargs)

        guarded.scope = scope  # type: ignore[attr-defined]  # read by the OpenAPI document
        return guarded

    return decorate


def caller() -> Caller:
    """The caller of the current request."""
    found: Caller = g.caller
    return found


def presented_key(header: str) -> str:
    """The key in an Authorization field; empty if there is none."""
    kind, _, key = header.partition(" ")
    return key.strip() if kind.lower() == "bearer" else ""


def _authenticate(scope: Scope) -> Caller:
    if ACCESS in request.environ:
        return _granted(request.environ[ACCESS], scope)
    found_at: float
    found: Caller | None
    found_at, found = request.environ.get(CALLER, (-CACHE_SECONDS, None))
    if found is None or clock.monotonic() - found_at >= CACHE_SECONDS:  # receiving the body may have taken long
        found = _found()
    if found.networks and not _is_inside(request.remote_addr or "", found.networks):
        raise Forbidden(
            "this key is not allowed from your network address",
            code="network_not_allowed",
        )
    if not found.may(scope):
        raise Forbidden(f"this key lacks the scope {scope!r}", code="insufficient_scope")
    return found


def _granted(access: "Access | None", scope: Scope) -> Caller:
    """The caller that the host of the API has let in."""
    if access is None:
        raise Unauthorized("this application does not let you in")
    keyring: Keyring = current_app.extensions["mailsvc"].keyring
    app_id = keyring.app_named(access.app)
    if app_id is None:
        raise Forbidden(f"there is no app {access.app!r}")
    granted = Caller(f"app {app_id}", app_id, frozenset(access.scopes), (), None)
    if not granted.may(scope):
        raise Forbidden(f"the scope {scope!r} is not granted", code="insufficient_scope")
    return granted


def _found() -> Caller:
    key = presented_key(request.headers.get("Authorization", ""))
    if not key:
        raise Unauthorized("the API key is missing: send Authorization: Bearer <key>")
    keyring: Keyring = current_app.extensions["mailsvc"].keyring
    return keyring.find(key, request.remote_addr or "")


def _is_inside(address: str, networks: tuple[str, ...]) -> bool:
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(client, "ipv4_mapped", None)
    return any((mapped or client) in ipaddress.ip_network(network) for network in networks)
