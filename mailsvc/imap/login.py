"""Logging in to a server, by the way that was chosen."""

from mailsvc.imap.client import Client
from mailsvc.imap.connection import Connection
from mailsvc.mailaccess import sasl
from mailsvc.mailaccess.account import Credentials, Server
from mailsvc.mailaccess.errors import AuthRefused, MailAccessError, Stage, UnsendableArgument, readable

__all__ = ["LOGIN", "log_in", "offered"]

LOGIN = "LOGIN"  # the command (RFC 9051 section 6.2.3), not the mechanism of that name


def offered(capabilities: frozenset[str]) -> frozenset[str]:
    """The ways to log in, of which LOGIN is one."""
    mechanisms = {capability[5:] for capability in capabilities if capability.startswith("AUTH=")} - {LOGIN}
    return frozenset(mechanisms | ({LOGIN} if "LOGINDISABLED" not in capabilities else set()))


def log_in(client: Client, server: Server, credentials: Credentials, capabilities: frozenset[str]) -> str:
    """Log in once. Returns the server's words.

    Raises:
        MailAccessError: it was refused, or something else went wrong; no secret is in the text, even where the server repeats it.
    """
    mechanism = sasl.choose(credentials, offered(capabilities), command=LOGIN)
    with sasl.hiding_secrets(credentials) as secrets, client.at(Stage.LOGIN) as connection:
        if mechanism == LOGIN:
            text = _login(connection, credentials)
        else:
            exchange = sasl.Exchange(mechanism, credentials, server)
            secrets.add(exchange)
            text = _authenticate(connection, exchange)
        connection.state = "AUTH"
        return secrets.hidden_in(text)


def _login(connection: Connection, credentials: Credentials) -> str:
    name, password = credentials.username, credentials.password or ""
    for argument in (name, password):
        sasl.require_sendable(Stage.LOGIN, LOGIN, argument)
    if not name.isascii():
        raise UnsendableArgument(
            Stage.LOGIN, "a user's name beyond ASCII needs AUTH=PLAIN, which the server doesn't offer"
        )
    if password.isascii():
        return readable(connection.command(LOGIN, _quoted(name), _quoted(password)))
    connection.literal = password.encode()  # type: ignore[assignment]  # of bytes or a method, too
    return readable(connection.command(LOGIN, _quoted(name)))


def _authenticate(connection: Connection, exchange: sasl.Exchange) -> str:
    connection.literal = exchange.answer  # type: ignore[assignment]  # see above
    try:
        return readable(connection.command("AUTHENTICATE", exchange.mechanism))
    except MailAccessError as error:
        if exchange.oauth_error is not None and (error.code is None or isinstance(error, AuthRefused)):
            raise AuthRefused(Stage.LOGIN, error.text, code=error.code, oauth_error=exchange.oauth_error) from error
        raise


def _quoted(argument: str) -> str:
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'
