"""The commands about the mails of the selected folder (RFC 3501 section 6.4, RFC 4315)."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from mailsvc.imap.server.arguments import Argument, Arguments
from mailsvc.imap.server.fetching import Wanted, parse_items, response
from mailsvc.imap.server.folder import FLAGS, StoredMail
from mailsvc.imap.server.refused import Refused
from mailsvc.imap.server.searching import parse_criteria
from mailsvc.imap.server.selected import SelectedFolder
from mailsvc.imap.server.session import Dialogue, Handler, Session

__all__ = ["COMMANDS", "flags_of"]

_KNOWN = {flag.upper(): flag for flag in FLAGS}


def flags_of(given: Iterable[Argument]) -> frozenset[str]:
    """Read a list of flags. Raises Refused for others than those of the folder."""
    names = [flag.decode("ascii", "replace").upper() for flag in given if isinstance(flag, bytes)]
    if unknown := [name for name in names if name not in _KNOWN]:
        raise Refused(f"[CANNOT] there is no flag {unknown[0]} here", kind="NO")
    return frozenset(_KNOWN[name] for name in names)


def _fetch(session: Session, arguments: Arguments, *, by_uid: bool) -> Dialogue:
    selected = _selected(session)
    uids = selected.find(arguments.string(), by_uid=by_uid)
    wanted = parse_items(arguments.list(), by_uid=by_uid)
    arguments.end()
    for uid in uids:
        if (mail := selected.folder.get(uid)) is not None:
            yield from _fetched(selected, mail, wanted)
    return "done"


def _fetched(selected: SelectedFolder, mail: StoredMail, wanted: Wanted) -> Iterable[bytes]:
    content = selected.folder.read(mail.uid) if wanted.sections else b""
    if content is None:
        return
    if wanted.marks_seen and not selected.readonly:
        selected.folder.set_flags(mail.uid, mail.flags | {"\\Seen"})
    yield response(selected.number_of(mail.uid), mail, content, wanted)


def _store(session: Session, arguments: Arguments, *, by_uid: bool) -> Dialogue:
    selected = _writable(session)
    uids = selected.find(arguments.string(), by_uid=by_uid)
    action, _, silent = arguments.word().partition(".")
    flags = flags_of(arguments.list())
    arguments.end()
    if action not in ("FLAGS", "+FLAGS", "-FLAGS") or silent not in ("", "SILENT"):
        raise Refused("FLAGS, +FLAGS or -FLAGS belongs here")
    for uid in uids:
        if (mail := selected.folder.get(uid)) is None:
            continue
        selected.folder.set_flags(uid, _changed(mail.flags, action, flags))
        if silent:
            selected.note_flags(uid)
    yield from ()
    return "done"  # the flags that changed are told as news


def _changed(before: frozenset[str], action: str, flags: frozenset[str]) -> frozenset[str]:
    if action == "FLAGS":
        return flags
    return before | flags if action == "+FLAGS" else before - flags


def _search(session: Session, arguments: Arguments, *, by_uid: bool) -> Dialogue:
    selected = _selected(session)
    if arguments.skip_word("CHARSET") and arguments.word() not in ("UTF-8", "US-ASCII"):
        raise Refused("[BADCHARSET (UTF-8)] UTF-8 only", kind="NO")
    matches = parse_criteria(arguments, selected)
    found = [uid for uid in selected.uids if (mail := selected.folder.get(uid)) is not None and matches(mail)]
    numbers = found if by_uid else [selected.number_of(uid) for uid in found]
    yield b"* SEARCH%b\r\n" % b"".join(b" %d" % number for number in numbers)
    return "done"


def _expunge(session: Session, arguments: Arguments) -> Dialogue:
    arguments.end()
    selected = _writable(session)
    _remove_deleted(selected, selected.uids)
    yield from ()
    return "done"  # what is gone is told as news


def _uid_expunge(session: Session, arguments: Arguments) -> Dialogue:
    selected = _writable(session)
    _remove_deleted(selected, selected.find(arguments.string(), by_uid=True))
    arguments.end()
    yield from ()
    return "done"


def _remove_deleted(selected: SelectedFolder, uids: Sequence[int]) -> None:
    folder = selected.folder
    folder.expunge([uid for uid in uids if (mail := folder.get(uid)) is not None and "\\Deleted" in mail.flags])


def _close(session: Session, arguments: Arguments) -> Dialogue:
    arguments.end()
    selected, session.selected = _selected(session), None
    if not selected.readonly:
        _remove_deleted(selected, selected.uids)
    yield from ()
    return "done"


def _unselect(session: Session, arguments: Arguments) -> Dialogue:
    arguments.end()
    _selected(session)
    session.selected = None
    yield from ()
    return "done"


def _check(session: Session, arguments: Arguments) -> Dialogue:
    arguments.end()
    _selected(session)
    yield from ()
    return "done"


def _copy(session: Session, _arguments: Arguments) -> Dialogue:
    _selected(session)
    yield from ()
    raise Refused("[CANNOT] there is only INBOX", kind="NO")


def _selected(session: Session) -> SelectedFolder:
    if session.selected is None:
        raise Refused("select a folder first")
    return session.selected


def _writable(session: Session) -> SelectedFolder:
    selected = _selected(session)
    if selected.readonly:
        raise Refused("[READ-ONLY] the folder was opened with EXAMINE", kind="NO")
    return selected


def _both(name: str, handler: Callable[..., Dialogue]) -> dict[str, Handler]:
    return {name: partial(handler, by_uid=False), f"UID {name}": partial(handler, by_uid=True)}


COMMANDS: dict[str, Handler] = {
    **_both("FETCH", _fetch),
    **_both("STORE", _store),
    **_both("SEARCH", _search),
    "EXPUNGE": _expunge,
    "UID EXPUNGE": _uid_expunge,
    "CLOSE": _close,
    "UNSELECT": _unselect,
    "CHECK": _check,
    "COPY": _copy,
    "UID COPY": _copy,
}
