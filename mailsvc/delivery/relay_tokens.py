"""Gets the access tokens of relays that log in with OAuth 2, in threads of their own: a token endpoint may be slow."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.domain.attempt import Stage
from mailsvc.domain.relay import Relay
from mailsvc.oauth.errors import GrantRefused, OAuthError
from mailsvc.runtime.threads import DaemonThreads
from mailsvc.smtp.opening import Session, open_session
from mailsvc.smtp.trouble import RelayTrouble

__all__ = ["RelayTokens", "Tokens", "open_with_token"]

MOST_THREADS = 64  # of relays whose token endpoints are slow at the same time

T = TypeVar("T")


class Tokens(Protocol):
    """Where sessions get their tokens."""

    async def get(self, relay: Relay) -> str: ...
    async def was_refused(self, relay: Relay, access_token: str) -> bool: ...


class RelayTokens:
    """One thread for each relay at a time, however many of its sessions want a token."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens
        self._threads = DaemonThreads(MOST_THREADS, "oauth")
        self._turns: dict[str, asyncio.Lock] = {}

    async def get(self, relay: Relay) -> str:
        """An access token that is valid now. Raises RelayTrouble."""
        try:
            async with self._turns.setdefault(relay.id, asyncio.Lock()):
                return await self._in_thread(partial(self._tokens.get, relay.id, targets=relay.targets))
        except OAuthError as error:
            raise RelayTrouble(Stage.AUTH, error.text, is_refusal=isinstance(error, GrantRefused)) from error

    async def was_refused(self, relay: Relay, access_token: str) -> bool:
        """The relay refused this token. Returns whether ``get`` gives another one now."""
        return await self._in_thread(partial(self._tokens.invalidate, relay.id, access_token))

    def close(self) -> None:
        """Cancel what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


async def open_with_token(relay: Relay, tokens: Tokens) -> Session:
    """Open a session with an access token; with another one where the relay refuses that, as after a change of password.

    Raises:
        RelayTrouble: there is no token, or no session.
    """
    token = await tokens.get(relay)
    try:
        return await open_session(relay, access_token=token)
    except RelayTrouble as trouble:
        if not trouble.is_auth or not await tokens.was_refused(relay, token):
            raise
    return await open_session(relay, access_token=await tokens.get(relay))
