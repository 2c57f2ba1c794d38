"""From nothing to a protected connection whose capabilities are known, before the login."""

from collections.abc import Callable

from mailsvc.imap.client import Client, ending_on_error
from mailsvc.imap.limits import Limits
from mailsvc.mailaccess.account import Server, Timeouts
from mailsvc.mailaccess.errors import CommandRefused, Stage, TlsFailed, Unreachable, readable
from mailsvc.mailaccess.wire import Wire

__all__ = ["Link", "Report"]

Report = Callable[[Stage, str], None]


class Link:
    """The wire of a session, and the client that speaks over it once it is open."""

    def __init__(self, server: Server, timeouts: Timeouts, limits: Limits) -> None:
        self._server, self._limits = server, limits
        self.wire = Wire(server, timeouts, ports="implicit TLS is usually on 993, STARTTLS on 143")
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """Raises Unreachable where the link was never opened."""
        if self._client is None:
            raise Unreachable(Stage.CONNECT, "there is no connection")
        return self._client

    def open(self, report: Report) -> frozenset[str]:
        """Connect, be greeted, protect the connection. Returns the capabilities.

        Args:
            report: told of each stage that is done, with a detail for people.

        Raises:
            Unreachable, TlsFailed, TemporarilyUnavailable, ProtocolViolation, ResponseTooLarge
        """
        with ending_on_error(self.wire, Stage.GREETING):
            self.wire.connect(report)
            self._client = client = self._greeted()
            report(Stage.GREETING, readable(bytes(client.welcome)))
            if self._server.tls == "starttls":
                report(Stage.TLS, _start_tls(client))
            capabilities = client.ask_capabilities()
            report(Stage.CAPABILITIES, ", ".join(sorted(capabilities)))
            return capabilities

    def _greeted(self) -> Client:
        try:
            return Client(self.wire, self._limits)
        except Unreachable as error:
            if isinstance(error.__cause__, TimeoutError) and self._server.tls != "implicit":
                error.text += "; a port that waits for TLS from the first byte is as silent (usually 993)"
            raise


def _start_tls(client: Client) -> str:
    try:
        with client.at(Stage.TLS) as connection:
            return connection.start_tls()
    except CommandRefused as error:
        raise TlsFailed(Stage.TLS, f"the server refuses STARTTLS: {error.text}") from error
