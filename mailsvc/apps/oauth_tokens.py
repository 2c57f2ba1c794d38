"""Access tokens of relays and mailboxes: stored, and renewed before they end by one thread of all processes and hosts.

Who renews holds a lease on the row (``renewing_until``), which ends by itself if that process dies; the others wait for the
end. New tokens are committed before anything uses them: a refresh token that the server has rotated can't be had again.
They are committed only to the row that the renewal began with, so that a PATCH meanwhile, which drops it, wins.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailsvc import clock
from mailsvc.apps.oauth_accounts import Account, find_account, how_to_authorize
from mailsvc.domain.targets import TargetPolicy
from mailsvc.oauth.errors import GrantRefused, OAuthError, TokenUnavailable
from mailsvc.oauth.grant import endpoints_of
from mailsvc.oauth.reach import Reach
from mailsvc.store.database import Database, is_away
from mailsvc.store.oauth_tables import oauth_token
from mailsvc.store.vault import Vault, VaultError
from mailsvc.telemetry import facts, log

if TYPE_CHECKING:
    from mailsvc.oauth.tokens import Tokens

__all__ = ["AccessTokens", "allow_renewal", "forget_tokens"]

MARGIN = 5 * clock.MINUTE  # before its end, at most a fifth of its life, a token is renewed
STILL_USABLE = 30 * clock.SECOND  # the least time left of a token that is used although it can't be renewed
BETWEEN_RENEWALS = 60 * clock.SECOND  # after a refusal, or after a server refused a new token
AFTER_TROUBLE = 5 * clock.SECOND
LOOK_SECONDS = 0.1
STORE_SECONDS = 60.0  # for a database that is away while new tokens wait to be committed
_token = oauth_token.c


@dataclass(frozen=True, slots=True)
class _Stored:
    """A row, decrypted."""

    row: Row[Any]
    access_token: str | None
    refresh_token: str | None

    def is_fresh(self, now: int) -> bool:
        row = self.row
        if self.access_token is None:
            return False
        return bool(row.expires_at - now > min(MARGIN, (row.expires_at - row.obtained_at) // 5))

    def usable(self, now: int) -> str | None:
        """The access token, if it holds for a little while yet."""
        return self.access_token if self.access_token and self.row.expires_at - now > STILL_USABLE else None


@dataclass(frozen=True, slots=True)
class _Claim:
    """The right to renew, until the lease ends."""

    account: Account
    stored: _Stored
    until: int


class AccessTokens:
    """For all threads of one process.

    Args:
        lease_seconds: how long a renewer that died keeps the others waiting; more than ``request_seconds``.
        request_seconds: for asking the token endpoint.
    """

    def __init__(
        self, database: Database, vault: Vault, *, lease_seconds: float = 30.0, request_seconds: float = 15.0
    ) -> None:
        self._database, self._vault = database, vault
        self._lease, self._request_seconds = int(lease_seconds * clock.SECOND), request_seconds
        self._turns: dict[str, threading.Lock] = {}

    def get(self, owner_id: str, *, targets: TargetPolicy = "any", patience: float = 45.0) -> str:
        """An access token that is valid now. Blocks: while another thread or process renews, for up to ``patience`` seconds.

        Args:
            owner_id: of a relay or mailbox.
            targets: the addresses that its token endpoint may have.

        Raises:
            GrantRefused: a person must act; the text says what to run.
            TokenUnavailable: no token for now.
        """
        stored = self._read(owner_id)
        if stored is not None and stored.is_fresh(self._database.now()):
            return stored.access_token or ""
        with self._turn(owner_id, patience):
            return self._renewed(owner_id, targets, clock.monotonic() + patience)

    def invalidate(self, owner_id: str, access_token: str) -> bool:
        """A mail server refused this token. Returns whether ``get`` gives another one now.

        A token of the last minute stays, because another one would be refused as well.
        """
        with self._database.write() as connection:
            stored = self._stored(_select(connection, owner_id, locked=True))
            if stored is None or stored.access_token is None:
                return False
            if stored.access_token != access_token:
                return stored.is_fresh(self._database.now())
            if stored.row.obtained_at > self._database.now() - BETWEEN_RENEWALS:
                return False
            _change(connection, owner_id, {"expires_at": 0}, now=self._database.now())
            return True

    # Renewing

    @contextmanager
    def _turn(self, owner_id: str, patience: float) -> Iterator[None]:
        """One thread of this process renews; the others then find what it stored."""
        lock = self._turns.setdefault(owner_id, threading.Lock())
        if not lock.acquire(timeout=patience):
            raise _unfinished()
        try:
            yield
        finally:
            lock.release()

    def _renewed(self, owner_id: str, targets: TargetPolicy, deadline: float) -> str:
        while True:
            found = None if self._is_leased(owner_id) else self._claim(owner_id)
            if isinstance(found, str):
                return found
            if found is not None:
                self._renew(found, targets)
            elif clock.monotonic() > deadline:
                raise _unfinished()
            else:
                threading.Event().wait(LOOK_SECONDS)

    def _is_leased(self, owner_id: str) -> bool:
        """Whether another process renews, and nothing can be used meanwhile."""
        stored, now = self._read(owner_id), self._database.now()
        return stored is not None and _is_renewing(stored.row, now) and stored.usable(now) is None

    def _claim(self, owner_id: str) -> _Claim | str | None:
        """A token, the right to get one, or None while another process has that right."""
        with self._database.write() as connection:
            account = find_account(connection, self._vault, owner_id)
            if account.oauth.access_token is not None:
                return account.oauth.access_token
            now = self._database.now()
            stored = self._stored(_make(connection, owner_id, now=now))
            assert stored is not None
            if stored.is_fresh(now):
                return stored.access_token
            if _is_renewing(stored.row, now):
                return stored.usable(now)
            if stored.row.error is not None and (stored.row.retry_at or 0) > now:
                return stored.usable(now) or _raise_again(stored.row)
            claim = _Claim(account, stored, now + self._lease)
            _change(connection, owner_id, {"renewing_until": claim.until}, now=now)
            return claim

    def _renew(self, claim: _Claim, targets: TargetPolicy) -> None:
        from mailsvc.oauth.tokens import renew  # noqa: PLC0415 - an HTTP client, which few accounts need

        account, refresh_token = claim.account, claim.stored.refresh_token or claim.account.oauth.refresh_token
        reach = Reach(ca_pem=account.ca_pem, targets=targets, seconds=self._request_seconds)
        endpoints = endpoints_of(account.oauth, account.service)
        try:
            tokens = renew(account.oauth, endpoints, reach, refresh_token=refresh_token)
        except OAuthError as error:
            self._note_failure(claim, error)
        else:
            self._store(claim, tokens, tokens.refresh_token or refresh_token)
            log.info("access token renewed", extra=facts(account=account.name, seconds=tokens.life))

    def _note_failure(self, claim: _Claim, error: OAuthError) -> None:
        """What is stored here is raised by the next look, in this thread and in those that wait."""
        now, is_refused = self._database.now(), isinstance(error, GrantRefused)
        wait = BETWEEN_RENEWALS if is_refused else AFTER_TROUBLE
        if isinstance(error, TokenUnavailable) and error.wait is not None:
            wait = max(wait, int(error.wait * clock.SECOND))
        advice = f"; {how_to_authorize(claim.account.id, claim.account.name)}" if is_refused else ""
        log.warning("no access token", extra=facts(account=claim.account.name, reason=error.text))
        values = {"error": error.text + advice, "refused": is_refused, "retry_at": now + wait}
        with self._database.write() as connection:
            _finish(connection, claim.stored.row, _token.renewing_until == claim.until, values, now=now)

    def _store(self, claim: _Claim, tokens: "Tokens", refresh_token: str | None) -> None:
        secret = {"access_token": tokens.access_token, "refresh_token": refresh_token}
        now = self._database.now()
        values = {
            "secret": self._vault.encrypt(json.dumps(secret)),
            "obtained_at": now,
            "expires_at": now + tokens.life * clock.SECOND,
            "error": None,
            "refused": False,
            "retry_at": None,
        }
        before, give_up_at = claim.stored.row, clock.monotonic() + STORE_SECONDS
        while True:
            try:
                with self._database.write() as connection:
                    # Even if the lease has passed to another process: once these are given, those are the latest.
                    _finish(connection, before, _token.secret.is_not_distinct_from(before.secret), values, now=now)
                return
            except Exception as error:
                if not is_away(error) or clock.monotonic() > give_up_at:
                    raise
                log.warning("new tokens wait for the database", extra=facts(account=claim.account.name))
            threading.Event().wait(LOOK_SECONDS)

    # Reading

    def _read(self, owner_id: str) -> _Stored | None:
        with self._database.read() as connection:
            return self._stored(_select(connection, owner_id))

    def _stored(self, row: Row[Any] | None) -> _Stored | None:
        if row is None:
            return None
        try:
            secret = json.loads(self._vault.decrypt(row.secret)) if row.secret else {}
        except VaultError:
            secret = {}  # the refresh token of the settings is all that is left
        return _Stored(row, secret.get("access_token"), secret.get("refresh_token"))


def forget_tokens(connection: Connection, owner_id: str) -> None:
    """The account was deleted, or its grant was changed: a renewal that is under way has no effect any more."""
    connection.execute(delete(oauth_token).where(_token.owner_id == owner_id))


def allow_renewal(connection: Connection, owner_id: str) -> None:
    """A person says that the account works again: do not wait after the last failure."""
    connection.execute(update(oauth_token).where(_token.owner_id == owner_id).values(retry_at=None))


def _select(connection: Connection, owner_id: str, *, locked: bool = False) -> Row[Any] | None:
    wanted = select(oauth_token).where(_token.owner_id == owner_id)
    return connection.execute(wanted.with_for_update() if locked else wanted).first()


def _make(connection: Connection, owner_id: str, *, now: int) -> Row[Any] | None:
    """The account's row, locked; created if it is missing."""
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    row = {"owner_id": owner_id, "created_at": now, "updated_at": now}
    connection.execute(insert(oauth_token).values(**row).on_conflict_do_nothing())
    return _select(connection, owner_id, locked=True)


def _change(connection: Connection, owner_id: str, values: dict[str, Any], *, now: int) -> None:
    connection.execute(update(oauth_token).where(_token.owner_id == owner_id).values(**values, updated_at=now))


def _finish(
    connection: Connection, before: Row[Any], condition: ColumnElement[bool], values: dict[str, Any], *, now: int
) -> None:
    """End the lease and write the result, if this is still the row that the renewal began with."""
    is_same = (_token.owner_id == before.owner_id) & (_token.created_at == before.created_at) & condition
    connection.execute(update(oauth_token).where(is_same).values(**values, renewing_until=None, updated_at=now))


def _is_renewing(row: Row[Any], now: int) -> bool:
    return row.renewing_until is not None and row.renewing_until > now


def _raise_again(row: Row[Any]) -> str:
    raise GrantRefused(row.error) if row.refused else TokenUnavailable(row.error)


def _unfinished() -> TokenUnavailable:
    return TokenUnavailable("another process is renewing the access token, and has not finished")
