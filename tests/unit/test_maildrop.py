"""The directory of the sandbox's mails."""

from pathlib import Path

import pytest

from mailsvc.imap.server import FolderFull
from mailsvc.sandbox.maildrop import MailDrop


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    """Neither mails nor their flags, dates and UIDs, nor which UIDs were used."""
    drop = MailDrop(tmp_path)
    kept = drop.append(b"one", flags=["\\Seen", "\\Answered"], received_at=1_700_000_000)
    gone = drop.append(b"two")
    drop.expunge([gone])
    again = MailDrop(tmp_path)

    assert (again.uidvalidity, again.uidnext, list(again.uids())) == (drop.uidvalidity, gone + 1, [kept])
    assert (again.get(kept), again.read(kept)) == (drop.get(kept), b"one")


def test_a_message_that_is_sent_again_has_its_consequences_once(tmp_path: Path) -> None:
    """Also after a restart."""
    MailDrop(tmp_path).deliver(b"one", key="message 1")
    drop = MailDrop(tmp_path)
    drop.deliver(b"one, once more", key="message 1")
    drop.deliver(b"two", key="message 2")

    assert [drop.read(uid) for uid in drop.uids()] == [b"one", b"two"]


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    by_number, by_size = MailDrop(tmp_path / "a", most_mails=20), MailDrop(tmp_path / "b", most_bytes=100)
    for n in range(21):
        by_number.append(b"%d" % n)
        by_size.append(b"%5d" % n)

    assert [by_number.read(uid) for uid in by_number.uids()] == [b"%d" % n for n in range(3, 21)]
    assert [by_size.read(uid) for uid in by_size.uids()] == [b"%5d" % n for n in range(3, 21)]
    assert len(MailDrop(tmp_path / "a").uids()) == 18


def test_a_mail_that_is_larger_than_all_room_is_refused(tmp_path: Path) -> None:
    drop = MailDrop(tmp_path, most_bytes=10)
    drop.append(b"small")
    with pytest.raises(FolderFull):
        drop.append(b"much too large")

    assert len(drop.uids()) == 1


def test_what_others_put_into_the_directory_is_no_mail(tmp_path: Path) -> None:
    """Nor half a mail, whose process died."""
    MailDrop(tmp_path).append(b"one")
    for name in ("new", "notes.txt", "7", "8.key.X", "\u0661.key."):
        (tmp_path / name).write_bytes(b"?")

    assert [MailDrop(tmp_path).read(uid) for uid in MailDrop(tmp_path).uids()] == [b"one"]


def test_a_file_that_somebody_removed_is_a_mail_that_is_gone(tmp_path: Path) -> None:
    drop = MailDrop(tmp_path)
    uid = drop.append(b"one")
    next(path for path in tmp_path.iterdir() if path.name.startswith(f"{uid}.")).unlink()

    assert drop.read(uid) is None
    drop.expunge([uid])
    assert list(drop.uids()) == []
