"""Logging in over a dialogue, by the way that was chosen."""

from mailsvc.mailaccess import sasl
from mailsvc.mailaccess.account import Credentials, Server
from mailsvc.mailaccess.errors import AuthRefused, MailAccessError, Stage
from mailsvc.mailaccess.sasl import require_sendable
from mailsvc.pop3.capabilities import Capabilities
from mailsvc.pop3.commands import command
from mailsvc.pop3.dialogue import Dialogue
from mailsvc.pop3.protocol import Form
from mailsvc.pop3.responses import Status, refusal

__all__ = ["USER", "log_in", "offered"]

USER = "USER"  # the commands USER and PASS (RFC 1939 section 7), no mechanism of SASL


def log_in(dialogue: Dialogue, server: Server, credentials: Credentials, capabilities: Capabilities | None) -> str:
    """Log in once. Returns the server's words.

    Raises:
        MailAccessError: it was refused, or something else went wrong; no secret is in the text, even where the server repeats it.
    """
    mechanism = sasl.choose(credentials, offered(capabilities), command=USER)
    with sasl.hiding_secrets(credentials) as secrets:
        if mechanism == USER:
            return secrets.hidden_in(_user_and_pass(dialogue, credentials))
        exchange = sasl.Exchange(mechanism, credentials, server)
        secrets.add(exchange)
        return secrets.hidden_in(_sasl(dialogue, exchange))


def offered(capabilities: Capabilities | None) -> frozenset[str]:
    """The ways to log in, of which USER is one."""
    if capabilities is None:
        return frozenset({USER})  # a server that is older than CAPA
    return capabilities.mechanisms | ({USER} if USER in capabilities else frozenset())


def _user_and_pass(dialogue: Dialogue, credentials: Credentials) -> str:
    password = credentials.password or ""
    # Before USER is sent: a password that can't be said is no reason to leave half a login behind.
    require_sendable(Stage.LOGIN, "PASS", password)
    dialogue.ask(Stage.LOGIN, command(Stage.LOGIN, "USER", credentials.username))
    return dialogue.ask(Stage.LOGIN, command(Stage.LOGIN, "PASS", password)).text


def _sasl(dialogue: Dialogue, exchange: sasl.Exchange) -> str:
    dialogue.send(Stage.LOGIN, command(Stage.LOGIN, "AUTH", exchange.mechanism), Form.AUTH)
    while (status := dialogue.status(Stage.LOGIN)).is_ok is None:
        dialogue.wire.send(exchange.answer(status.said) + b"\r\n", Stage.LOGIN)
    if not status.is_ok:
        raise _refused(status, exchange.oauth_error)
    return status.text


def _refused(status: Status, oauth_error: str | None) -> MailAccessError:
    error = refusal(Stage.LOGIN, status)
    if oauth_error is not None and (status.code is None or isinstance(error, AuthRefused)):
        return AuthRefused(Stage.LOGIN, error.text, code=status.code, oauth_error=oauth_error)
    return error
