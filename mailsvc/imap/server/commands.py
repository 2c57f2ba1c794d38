"""The commands that any client may give: capabilities, login, folders, waiting (RFC 3501 sections 6.1 to 6.3)."""

import base64
import binascii
import fnmatch
import re
from datetime import datetime

from mailsvc.imap.server import messages
from mailsvc.imap.server.arguments import Arguments
from mailsvc.imap.server.folder import FLAGS
from mailsvc.imap.server.refused import Refused
from mailsvc.imap.server.selected import SelectedFolder
from mailsvc.imap.server.session import CAPABILITIES, Dialogue, Handler, Session

__all__ = ["COMMANDS"]

_STATUS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN")


def _capability(_session: Session, arguments: Arguments) -> Dialogue:
    arguments.end()
    yield f"* CAPABILITY {CAPABILITIES}\r\n".encode()
    return "done"


def _noop(_session: Session, arguments: Arguments) -> Dialogue:
    arguments.end()
    yield from ()
    return "done"


def _logout(session: Session, arguments: Arguments) -> Dialogue:
    arguments.end()
    session.is_over, session.selected = True, None
    yield b"* BYE bye\r\n"
    return "done"


# Login


def _login(session: Session, arguments: Arguments) -> Dialogue:
    user, password = _readable(arguments.string()), _readable(arguments.string())
    arguments.end()
    _require_unknown(session)
    yield from ()
    return session.log_in(user, password)


def _authenticate(session: Session, arguments: Arguments) -> Dialogue:
    mechanism = arguments.word()
    _require_unknown(session)
    if mechanism != "PLAIN":
        raise Refused("only PLAIN is supported", kind="NO")
    if arguments:
        initial = arguments.string()
    else:
        yield b"+ \r\n"
        initial = yield None
    arguments.end()
    return session.log_in(*_plain(initial))


def _plain(line: bytes) -> tuple[str, str]:
    """The user and the password (RFC 4616). Raises Refused."""
    try:
        _, user, password = base64.b64decode(line, validate=True).decode().split("\0")
    except (binascii.Error, ValueError) as error:
        raise Refused("the login can't be read, or was cancelled") from error
    return user, password


def _require_unknown(session: Session) -> None:
    if session.is_known:
        raise Refused("you are logged in")


# Folders


def _list(session: Session, arguments: Arguments) -> Dialogue:
    reference, pattern = arguments.string(), arguments.string()
    arguments.end()
    _require_known(session)
    if not reference + pattern:
        yield b'* LIST (\\Noselect) "/" ""\r\n'
    elif _matches((reference + pattern).decode("utf-8", "replace")):
        yield b'* LIST (\\HasNoChildren) "/" INBOX\r\n'
    return "done"


def _lsub(session: Session, arguments: Arguments) -> Dialogue:
    pattern = arguments.string() + arguments.string()
    _require_known(session)
    if _matches(pattern.decode("utf-8", "replace")):
        yield b'* LSUB () "/" INBOX\r\n'
    return "done"


def _matches(pattern: str) -> bool:
    translated = re.sub(r"([\[?])", r"[\1]", pattern).replace("%", "*")
    return fnmatch.fnmatchcase("INBOX", translated.upper())


def _select(session: Session, arguments: Arguments, *, readonly: bool = False) -> Dialogue:
    session.selected = None
    _require_inbox(session, arguments)
    arguments.end()
    session.selected = selected = SelectedFolder(session.folder, readonly=readonly)
    flags = " ".join(FLAGS)
    yield f"* FLAGS ({flags})\r\n* {len(selected.uids)} EXISTS\r\n* 0 RECENT\r\n".encode()
    yield f"* OK [PERMANENTFLAGS ({'' if readonly else flags})] these last\r\n".encode()
    yield f"* OK [UIDVALIDITY {session.folder.uidvalidity}] of the UIDs\r\n".encode()
    yield f"* OK [UIDNEXT {session.folder.uidnext}] comes next\r\n".encode()
    return "[READ-ONLY] done" if readonly else "[READ-WRITE] done"


def _examine(session: Session, arguments: Arguments) -> Dialogue:
    return (yield from _select(session, arguments, readonly=True))


def _status(session: Session, arguments: Arguments) -> Dialogue:
    _require_inbox(session, arguments)
    asked = [item.decode("ascii", "replace").upper() for item in arguments.list() if isinstance(item, bytes)]
    arguments.end()
    if unknown := set(asked) - set(_STATUS):
        raise Refused(f"{min(unknown)} is no status of a folder")
    folder = session.folder
    mails = [mail for uid in folder.uids() if (mail := folder.get(uid))]
    values = (len(mails), 0, folder.uidnext, folder.uidvalidity, sum("\\Seen" not in mail.flags for mail in mails))
    known = dict(zip(_STATUS, values, strict=True))
    yield f"* STATUS INBOX ({' '.join(f'{item} {known[item]}' for item in asked)})\r\n".encode()
    return "done"


def _append(session: Session, arguments: Arguments) -> Dialogue:
    _require_inbox(session, arguments)
    flags = messages.flags_of(arguments.list()) if arguments.peek_is_list() else frozenset()
    first = arguments.string()
    received_at = _date(first) if arguments else None
    content = arguments.string() if arguments else first
    arguments.end()
    uid = session.folder.append(content, flags=flags, received_at=received_at)
    yield from ()
    return f"[APPENDUID {session.folder.uidvalidity} {uid}] done"


def _date(text: bytes) -> int:
    try:
        return round(datetime.strptime(text.decode().strip(), "%d-%b-%Y %H:%M:%S %z").timestamp())
    except (ValueError, OverflowError) as error:
        raise Refused("not a date") from error


def _only_inbox(session: Session, _arguments: Arguments) -> Dialogue:
    _require_known(session)
    yield from ()
    raise Refused("[CANNOT] there is only INBOX", kind="NO")


def _subscribe(session: Session, arguments: Arguments) -> Dialogue:
    _require_inbox(session, arguments)
    yield from ()
    return "done"


def _require_inbox(session: Session, arguments: Arguments) -> None:
    name = arguments.string()
    _require_known(session)
    if name.upper() != b"INBOX":
        raise Refused("[NONEXISTENT] there is only INBOX", kind="NO")


def _require_known(session: Session) -> None:
    if not session.is_known:
        raise Refused("log in first")


# Waiting


def _idle(session: Session, arguments: Arguments) -> Dialogue:
    """RFC 2177."""
    arguments.end()
    _require_known(session)
    if session.selected is not None:
        yield from session.selected.news()
    yield b"+ idling\r\n"
    session.is_idling = True
    line = yield None
    session.is_idling = False
    if line.upper() != b"DONE":
        raise Refused("DONE belongs here")
    return "done"


def _readable(text: bytes) -> str:
    return text.decode("utf-8", "replace")


COMMANDS: dict[str, Handler] = {
    "CAPABILITY": _capability,
    "NOOP": _noop,
    "LOGOUT": _logout,
    "LOGIN": _login,
    "AUTHENTICATE": _authenticate,
    "LIST": _list,
    "LSUB": _lsub,
    "SELECT": _select,
    "EXAMINE": _examine,
    "STATUS": _status,
    "APPEND": _append,
    "CREATE": _only_inbox,
    "DELETE": _only_inbox,
    "RENAME": _only_inbox,
    "SUBSCRIBE": _subscribe,
    "UNSUBSCRIBE": _subscribe,
    "IDLE": _idle,
    **messages.COMMANDS,
}
