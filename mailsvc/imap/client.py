"""IMAPClient over a connection of ours; whatever it raises becomes an error of ours here."""

import imaplib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError
from imapclient.response_parser import parse_fetch_response

from mailsvc.imap.connection import Connection
from mailsvc.imap.limits import Limits
from mailsvc.imap.usual import usual_answer
from mailsvc.mailaccess.errors import (
    CommandRefused,
    MailAccessError,
    NotSupported,
    ProtocolViolation,
    Stage,
    UnsendableArgument,
    readable,
)
from mailsvc.mailaccess.wire import Wire

__all__ = ["BATCH", "MOST_UID", "Client", "batches", "ending_on_error"]

BATCH = 500  # messages a command: with UIDs of ten digits still less than 8,000 bytes (RFC 9051 section 4)
MOST_UID = 2**32 - 1  # RFC 9051 section 9: uniqueid

_GOES_ON = (CommandRefused, NotSupported, UnsendableArgument)
# What imaplib and IMAPClient raise over answers out of form. RuntimeError: brackets within brackets; ArithmeticError: dates.
_OUT_OF_FORM = (
    imaplib.IMAP4.error,
    IMAPClientError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
)


class Client(IMAPClient):  # type: ignore[misc]  # it has no types
    """IMAPClient with limits.

    Attributes:
        connection: what is spoken over.
    """

    connection: Connection

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self._wire, self._limits = wire, limits
        super().__init__("", ssl=False)
        self.normalise_times = False
        self.connection.debug = (
            0  # IMAPClient has all that is sent and received formatted for its log, passwords included
        )

    def _create_IMAP4(self) -> Connection:  # noqa: N802  # IMAPClient's name
        self.connection = Connection(self._wire, self._limits)
        return self.connection

    def _set_read_timeout(self) -> None:
        """The wire has timeouts of its own."""

    @contextmanager
    def at(self, stage: Stage) -> Iterator[Connection]:
        """What happens within is said to have happened at this stage."""
        self.connection.stage = stage
        with ending_on_error(self._wire, stage):
            yield self.connection

    def ask_capabilities(self) -> frozenset[str]:
        """What the server offers now."""
        with self.at(Stage.CAPABILITIES):
            self._cached_capabilities = self._do_capabilites()
            return frozenset(capability.decode("ascii", "backslashreplace") for capability in self._cached_capabilities)

    def search(self, *criteria: str) -> list[int]:
        """The UIDs that a server finds, in its order; it may tell them in several lines."""
        self.connection.command("UID", "SEARCH", *criteria)
        lines: list[Any] = self.connection.untagged_responses.pop("SEARCH", [])
        return [_uid(word) for line in lines for word in line.partition(b"(")[0].split()]  # without MODSEQ (RFC 7162)

    def fetch_each(self, messages: str, items: str, *, uid: bool = True) -> Iterator[dict[bytes, Any]]:
        """The answers to FETCH that say their message's UID, each for itself.

        IMAPClient merges answers without a UID, which nobody asked for, into those of the message whose UID is their number.
        """
        self.connection.command(*(["UID"] if uid else []), "FETCH", messages, items)
        for answer in _answers(self.connection.untagged_responses.pop("FETCH", [])):
            if usual := usual_answer(answer):
                yield usual
                continue
            for told in parse_fetch_response(answer, normalise_times=False, uid_is_key=False).values():
                if b"UID" in told:
                    yield told

    def store(self, uids: Iterable[int], flag: str) -> None:
        """Add a flag."""
        for batch in batches(uids):
            self._command_and_check("store", batch, "+FLAGS.SILENT", f"({flag})", uid=True)

    def list_special(self) -> list[tuple[tuple[bytes, ...], bytes, str]]:
        """All folders with their attributes, the special uses (RFC 6154) among them."""
        if not (self.has_capability("SPECIAL-USE") and self.has_capability("LIST-EXTENDED")):
            return list(self.list_folders())
        self.connection.command("LIST", '""', '"*"', "RETURN (SPECIAL-USE)")
        return list(self._proc_folder_list(self.connection.untagged_responses.pop("LIST", [])))


@contextmanager
def ending_on_error(wire: Wire, stage: Stage) -> Iterator[None]:
    """Close the connection when anything but a refusal is raised, and have it be an error of ours."""
    try:
        yield
    except _GOES_ON:
        raise
    except MailAccessError:
        wire.release()
        raise
    except imaplib.IMAP4.readonly as error:
        raise CommandRefused(stage, "the folder can only be read") from error
    except _OUT_OF_FORM as error:
        wire.release()
        raise ProtocolViolation(
            stage, f"not an IMAP answer: {readable(str(error)[:600].encode('utf-8', 'replace'))}"
        ) from error
    except BaseException:
        wire.release()
        raise


def batches(uids: Iterable[int]) -> Iterator[str]:
    """Sets of messages as commands take them."""
    wanted = sorted(set(uids))
    for start in range(0, len(wanted), BATCH):
        yield ",".join(map(str, wanted[start : start + BATCH]))


def _uid(word: bytes) -> int:
    if not word.isdigit() or not 1 <= int(word) <= MOST_UID:
        raise ValueError(f"{readable(word[:80])} is no UID")
    return int(word)


def _answers(items: list[Any]) -> Iterator[list[Any]]:
    """Take apart what imaplib puts into one list: a piece with a literal is a tuple, and what follows belongs to it."""
    answer: list[Any] = []
    for item in items:
        answer.append(item)
        if not isinstance(item, tuple):
            yield answer
            answer = []
