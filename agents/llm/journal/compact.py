"""Compacting a journal: what is whole is copied, in order, and takes the place of what was there.

The copy is laid over the old content in one SQLite transaction: whenever the process is killed, the
file holds the old journal or the new one, and no other process has a file open that is gone.
"""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from focusgroup.simulator.errors import RunStopped, UserError

from .file import connect, damaged_text, furnish, hold_alone, transaction, troubles_of
from .rows import TABLES
from .salvage import Damage, whole_rows
from .survey import size_of


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a journal. `before`, `after`: bytes on disk; `dropped`: the damage."""

    kept: int
    dropped: Damage
    before: int
    after: int


def compact(path: Path) -> Compacted:
    """Drop what is damaged and give unused space back. Needs as much free disk again, twice.

    Raises:
        UserError: no journal, its first page is lost, another process has it open, or there is
            no room on the disk; the journal is then as it was.
    """
    try:
        return _compact(path)
    except RunStopped as error:
        raise UserError(str(error)) from error


def _compact(path: Path) -> Compacted:
    connect(path, create=False).close()  # as ours, and whole if its last writer was killed
    before = size_of(path)
    copy = path.with_name(path.name + ".compact")
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db, troubles_of(path):
        hold_alone(db, path)
        db.text_factory = damaged_text
        try:
            kept, dropped = _copied(db, copy)
        finally:
            for trace in (copy, copy.with_name(copy.name + "-journal")):
                with contextlib.suppress(OSError):
                    trace.unlink(missing_ok=True)
    connect(path, create=False).close()
    return Compacted(kept, dropped, before, size_of(path))


def _copied(db: sqlite3.Connection, copy: Path) -> tuple[int, Damage]:
    copy.unlink(missing_ok=True)
    dropped, kept = Damage(), 0
    with closing(sqlite3.connect(copy, isolation_level=None)) as fresh:
        fresh.execute("PRAGMA synchronous=OFF")  # a copy that is lost is made again
        with transaction(fresh):
            furnish(fresh)
            for table in TABLES:
                for row in whole_rows(db, table, dropped):
                    fresh.execute(table.insert, row)
                    kept += 1
        fresh.execute("VACUUM")
        fresh.backup(db)
    return kept, dropped
