"""The server's side of an IMAP session, without I/O: from commands to responses."""

from collections.abc import Callable, Generator, Iterator

from mailsvc.imap.server.arguments import Arguments, parse_arguments
from mailsvc.imap.server.folder import Folder, FolderFull
from mailsvc.imap.server.limits import MOST_FAILURES, MOST_MAIL, MOST_STRING
from mailsvc.imap.server.refused import Refused
from mailsvc.imap.server.selected import SelectedFolder

__all__ = ["CAPABILITIES", "Authenticate", "Dialogue", "Handler", "Session"]

Authenticate = Callable[[str, str], bool]
# Yields responses, and None to be sent the next line; returns the text of the tagged OK.
Dialogue = Generator[bytes | None, bytes, str]
Handler = Callable[["Session", Arguments], Dialogue]

CAPABILITIES = "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN IDLE UIDPLUS UNSELECT"
_NUMBERED = ("FETCH", "STORE", "SEARCH")  # numbers must hold until these are answered (RFC 3501 section 7.4.1)


class Session:
    """One client, from the greeting to its logout.

    Attributes:
        folder: the one that it may open.
        selected: the folder as the client sees it, once it is open.
        is_known: the client has logged in.
        is_idling: it waits for news (RFC 2177).
        is_over: the connection ends after what was said.
    """

    def __init__(self, folder: Folder, authenticate: Authenticate, commands: dict[str, Handler]) -> None:
        self.folder, self._authenticate, self._commands = folder, authenticate, commands
        self.selected: SelectedFolder | None = None
        self.is_known = self.is_idling = self.is_over = False
        self._failures = 0

    def command(self, line: bytes) -> Generator[bytes | None, bytes, None]:
        """Yield the responses to a command, and None to be sent another line.

        Args:
            line: with its literals, without the last CRLF.
        """
        tag, _, rest = line.partition(b" ")
        tag = tag if tag.isalnum() or tag.replace(b".", b"").isalnum() else b"*"
        try:
            name, arguments = _parsed(rest)
            text = yield from self._handler(name)(self, arguments)
            if self.selected is not None:
                yield from self.selected.news(with_expunged=name not in _NUMBERED)
            yield b"%b OK %b\r\n" % (tag, text.encode())
        except Refused as refused:
            yield b"%b %b %b\r\n" % (tag, refused.kind.encode(), str(refused).encode("ascii", "replace"))
        except FolderFull:
            yield b"%b NO [OVERQUOTA] there is no room for it\r\n" % tag
        except OSError:
            yield b"%b NO [UNAVAILABLE] the mails can't be reached\r\n" % tag

    def news(self) -> Iterator[bytes]:
        """What a client that waits for news does not know yet."""
        if self.is_idling and self.selected is not None:
            yield from self.selected.news()

    def log_in(self, user: str, password: str) -> str:
        """Returns the text of the tagged OK. Raises Refused."""
        if self._authenticate(user, password):
            self.is_known = True
            return f"[CAPABILITY {CAPABILITIES}] welcome"
        self._failures += 1
        self.is_over = self._failures >= MOST_FAILURES
        raise Refused("[AUTHENTICATIONFAILED] wrong user or password", kind="NO")

    def literal_limit(self, line: bytes) -> int:
        """How many bytes a literal in this command may have."""
        is_append = line.split(b" ", 2)[1:2] != [] and line.split(b" ", 2)[1].upper() == b"APPEND"
        return MOST_MAIL if self.is_known and is_append else MOST_STRING

    def _handler(self, name: str) -> Handler:
        handler = self._commands.get(name)
        if handler is None:
            raise Refused("unknown command")
        return handler


def _parsed(rest: bytes) -> tuple[str, Arguments]:
    word, _, given = rest.partition(b" ")
    name, arguments = word.decode("ascii", "replace").upper(), Arguments(parse_arguments(given))
    return (f"UID {arguments.word()}" if name == "UID" else name), arguments
