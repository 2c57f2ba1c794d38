"""Results in groups: each is written once, and one that can't be spoils no other and is not lost."""

import threading
from pathlib import Path

from sqlalchemy import Connection, text

from mailsvc.runtime.resultwriter import ResultWriter
from mailsvc.store.database import Database


class Written:
    """A table of words, and what the writer says is settled."""

    def __init__(self, path: Path) -> None:
        self.database = Database(f"sqlite:///{path / 'words.db'}")
        with self.database.write() as connection:
            connection.execute(text("CREATE TABLE word (said TEXT NOT NULL)"))
        self.settled: list[str] = []
        self.changed = threading.Condition()

    def write(self, connection: Connection, words: list[str]) -> None:
        for word in words:
            connection.execute(text("INSERT INTO word VALUES (:said)"), {"said": word})

    def note(self, words: list[str]) -> None:
        with self.changed:
            self.settled += words
            self.changed.notify_all()

    def words(self) -> list[str]:
        with self.database.read() as connection:
            return sorted(connection.execute(text("SELECT said FROM word")).scalars())


def test_an_entry_that_cannot_be_written_is_written_in_its_plain_form(tmp_path: Path) -> None:
    """Its neighbours of the group are written as they are, and nothing twice."""
    written = Written(tmp_path)
    writer = ResultWriter(
        written.database,
        write=written.write,
        settled=written.note,
        linger=0.0,
        plainly=lambda word: word.encode("ascii", "replace").decode(),
    )
    for word in ("one", "half a character: \ud800", "three"):
        writer.put(word)

    assert writer.stop(20)
    assert written.words() == ["half a character: ?", "one", "three"]
    assert (sorted(written.settled), writer.unsettled) == (["half a character: \ud800", "one", "three"], 0)


def test_an_entry_that_cannot_be_written_is_dropped_alone(tmp_path: Path) -> None:
    written = Written(tmp_path)
    writer = ResultWriter(written.database, write=written.write, settled=written.note, linger=0.0)
    for word in ("one", "\ud800", "three"):
        writer.put(word)

    assert writer.stop(20)
    assert written.words() == ["one", "three"]
    assert writer.unsettled == 0
