"""Logging in over a dialogue, by the way that was chosen."""

from mailsvc.pop3 import auth
from mailsvc.pop3.account import Credentials, Server
from mailsvc.pop3.capabilities import Capabilities
from mailsvc.pop3.commands import command, require_sendable
from mailsvc.pop3.dialogue import Dialogue
from mailsvc.pop3.errors import AuthRefused, Pop3Error, Stage
from mailsvc.pop3.protocol import Form
from mailsvc.pop3.responses import Status, refusal

__all__ = ["log_in"]


def log_in(dialogue: Dialogue, server: Server, credentials: Credentials, capabilities: Capabilities | None) -> str:
    """Log in once. Returns the server's words.

    Raises:
        Pop3Error: it was refused, or something else went wrong; no secret is in the text, even where the server repeats it.
    """
    mechanism = auth.choose(credentials, capabilities)
    secrets = [credentials.password or "", credentials.access_token or ""]
    try:
        if mechanism == auth.USER:
            text = _user_and_pass(dialogue, credentials)
        else:
            exchange = auth.Exchange(mechanism, credentials, server)
            secrets.append(exchange.secret)
            text = _sasl(dialogue, exchange)
    except Pop3Error as error:
        error.text = auth.without_secrets(error.text, secrets)
        raise
    return auth.without_secrets(text, secrets)


def _user_and_pass(dialogue: Dialogue, credentials: Credentials) -> str:
    password = credentials.password or ""
    # Before USER is sent: a password that can't be said is no reason to leave half a login behind.
    require_sendable(Stage.LOGIN, "PASS", password)
    dialogue.ask(Stage.LOGIN, command(Stage.LOGIN, "USER", credentials.username))
    return dialogue.ask(Stage.LOGIN, command(Stage.LOGIN, "PASS", password)).text


def _sasl(dialogue: Dialogue, exchange: auth.Exchange) -> str:
    dialogue.send(Stage.LOGIN, command(Stage.LOGIN, "AUTH", exchange.mechanism), Form.AUTH)
    while (status := dialogue.status(Stage.LOGIN)).is_ok is None:
        dialogue.wire.send(exchange.answer(status.said), Stage.LOGIN)
    if not status.is_ok:
        raise _refused(status, exchange.oauth_error)
    return status.text


def _refused(status: Status, oauth_error: str | None) -> Pop3Error:
    error = refusal(Stage.LOGIN, status)
    if oauth_error is not None and (status.code is None or isinstance(error, AuthRefused)):
        return AuthRefused(Stage.LOGIN, error.text, code=status.code, oauth_error=oauth_error)
    return error
