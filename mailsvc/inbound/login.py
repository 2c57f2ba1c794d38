"""Logging in to a mailbox: with its password, or with an access token that is got just before."""

from typing import Protocol

from mailsvc.apps.oauth_accounts import how_to_authorize
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.domain.mailbox import Mailbox
from mailsvc.mailaccess.account import Credentials
from mailsvc.mailaccess.errors import AuthRefused
from mailsvc.oauth.errors import GrantRefused

__all__ = ["AnotherToken", "log_in"]


class AnotherToken(Exception):
    """The server refused a token before its end, and another one can be had: a new session may try that at once."""


class _Session(Protocol):
    def login(self, credentials: Credentials) -> str: ...


def log_in(session: _Session, mailbox: Mailbox, tokens: AccessTokens, *, patience: float = 45.0) -> str:
    """Log in by a session that is open. Returns the server's words.

    Args:
        session: of IMAP or POP3.
        mailbox: whose account.
        tokens: where access tokens come from.
        patience: seconds for another process that renews the token.

    Raises:
        AnotherToken, MailAccessError: the login is refused, and the session has ended.
        OAuthError: there is no token.
    """
    if not mailbox.renews_token:
        if mailbox.password is None and mailbox.access_token is None:
            raise GrantRefused(f"there is no password; {how_to_authorize(mailbox.id, mailbox.name)}")
        return session.login(Credentials(mailbox.username, mailbox.password, mailbox.access_token))
    token = tokens.get(mailbox.id, targets=mailbox.targets, patience=patience)
    try:
        return session.login(Credentials(mailbox.username, access_token=token))
    except AuthRefused as refusal:
        if tokens.invalidate(mailbox.id, token):
            raise AnotherToken from refusal
        raise
