"""The journal: a content-addressed SQLite file of completions and slates. First commit wins.

Every row is committed before it is used and carries a checksum, so a process killed at any instant
leaves either the whole row or none, and a damaged row is as good as absent.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from focusgroup.agents.llm.protocol import Completion, Usage
from focusgroup.simulator.errors import UserError

from .file import connect, discard_unpaid, transaction, troubles_of
from .rows import (
    COMPLETIONS,
    SLATES,
    Row,
    Table,
    completion_of,
    completion_row,
    is_whole,
    sealed,
    storable,
)


@dataclass(frozen=True, slots=True)
class JournalTotals:
    """What a journal holds: rows, and the tokens its completions once cost."""

    completions: int
    slates: int
    usage: Usage


class Journal:
    """Completions and slates by key, in one SQLite file (WAL: survives kill -9, many readers).

    Several processes may share a file; the first to commit a key decides its value for all.

    Args:
        create: False requires the file to exist, as a replay does.

    Raises:
        UserError: the file is missing, cannot be written, is no journal or is damaged.
        RunStopped: from `put` and `put_slate`, the disk or the quota is full.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._made = not path.exists()
        self._db = connect(path, create=create)

    def get(self, key: str) -> Completion | None:
        """The stored completion, or None if there is none or its row is damaged."""
        with self._lock, troubles_of(self.path):
            row = self._read(COMPLETIONS, key)
        return None if row is None else completion_of(row)

    def put(self, key: str, completion: Completion) -> Completion:
        """Store unless the key is there already; returns what is stored, which is what counts."""
        return completion_of(self._write(COMPLETIONS, completion_row(key, completion)))

    def get_slate(self, key: str) -> str | None:
        """The stored text, or None if there is none or its row is damaged."""
        with self._lock, troubles_of(self.path):
            row = self._read(SLATES, key)
        return None if row is None else str(row[1])

    def put_slate(self, key: str, text: str) -> str:
        """Store a text (JSON, say) unless the key is there already; returns what is stored."""
        return str(self._write(SLATES, sealed(key, storable(text)))[1])

    def totals(self) -> JournalTotals:
        """How much the journal holds."""
        with self._lock, troubles_of(self.path):
            rows, prompt, completion, cached = self._db.execute(
                "SELECT count(*), total(prompt_tokens), total(completion_tokens), "
                "total(cached_tokens) FROM completions"
            ).fetchone()
            (slates,) = self._db.execute("SELECT count(*) FROM slates").fetchone()
        return JournalTotals(rows, slates, Usage(int(prompt), int(completion), int(cached)))

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if self._made and isinstance(error, UserError):
            discard_unpaid(self.path)  # made for work that failed before anything was answered

    def _read(self, table: Table, key: str) -> Row | None:
        row: Row | None = self._db.execute(f"{table.select} WHERE key = ?", (key,)).fetchone()
        return row if row is not None and is_whole(row) else None

    def _write(self, table: Table, row: Row) -> Row:
        with self._lock, troubles_of(self.path), transaction(self._db):
            stored = self._read(table, str(row[0]))
            if stored is None:
                self._db.execute(table.insert, row)
        return stored or row
