"""Keeping an embedded database private must not cost it the locks that keep it whole."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from mailsvc.store.database import Database

_WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE" if sys.argv[2] == "alone" else "PRAGMA locking_mode = EXCLUSIVE")
connection.execute("PRAGMA journal_mode = DELETE")
"""


def test_a_new_connection_releases_no_locks_of_others(tmp_path: Path) -> None:
    """Another process can't take the file for its own while this one has it open, however many connections it made."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}", pool_size=3)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    with database.read() as first, database.read(), database.read():
        first.execute(text("SELECT * FROM t"))
        done = subprocess.run(
            [sys.executable, "-c", _WRITER, str(tmp_path / "x.db"), "mode"], capture_output=True, text=True, check=False
        )
    database.close()

    assert "locked" in done.stderr
