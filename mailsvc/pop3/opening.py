"""From nothing to a protected connection whose capabilities are known, before the login."""

from collections.abc import Callable

from mailsvc.mailaccess.account import Server
from mailsvc.mailaccess.errors import CommandRefused, Stage, TlsFailed
from mailsvc.pop3.capabilities import Capabilities
from mailsvc.pop3.commands import command
from mailsvc.pop3.dialogue import Dialogue

__all__ = ["Report", "ask_capabilities", "open_dialogue"]

Report = Callable[[Stage, str], None]


def open_dialogue(dialogue: Dialogue, server: Server, report: Report) -> Capabilities | None:
    """Connect, be greeted, protect the connection (RFC 2595 section 4). Returns the capabilities, if the server has CAPA.

    Args:
        report: told of each stage that is done, with a detail for people.

    Raises:
        Unreachable, TlsFailed, TemporarilyUnavailable, PermanentlyUnavailable, ProtocolViolation, ResponseTooLarge
    """
    with dialogue.ending_on_error():
        dialogue.wire.connect(report)
        report(Stage.GREETING, dialogue.greeting().text)
        capabilities = ask_capabilities(dialogue)
        if server.tls == "starttls":
            report(Stage.TLS, _start_tls(dialogue, capabilities))
            capabilities = ask_capabilities(dialogue)
        offers = "the server has no CAPA" if capabilities is None else ", ".join(capabilities.lines)
        report(Stage.CAPABILITIES, offers)
        return capabilities


def ask_capabilities(dialogue: Dialogue) -> Capabilities | None:
    """What the server offers now; None where it refuses CAPA."""
    lines: list[bytes] = []
    try:
        dialogue.ask_list(Stage.CAPABILITIES, "CAPA", lines.append)
    except CommandRefused:
        return None
    return Capabilities.of(lines)


def _start_tls(dialogue: Dialogue, capabilities: Capabilities | None) -> str:
    if capabilities is not None and "STLS" not in capabilities:
        raise TlsFailed(Stage.TLS, "the server doesn't offer STLS, and without it nothing is sent")
    try:
        dialogue.ask(Stage.TLS, command(Stage.TLS, "STLS"))
    except CommandRefused as error:
        raise TlsFailed(Stage.TLS, f"the server refuses STLS: {error.text}") from error
    return dialogue.start_tls()
