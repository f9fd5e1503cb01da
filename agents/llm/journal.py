"""The journal: a content-addressed SQLite file of completions and slates. First commit wins.

Every row is committed before it is used and carries a checksum, so a process killed at any instant
leaves either the whole row or none, and a damaged row is as good as absent.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from focusgroup.simulator.errors import UserError

from .protocol import Completion, Usage

# "fgjl": marks the file as ours in the SQLite header.
_APPLICATION_ID = 0x66676A6C
_VERSION = 1
_BUSY_SECONDS = 60.0

_TABLES = """
CREATE TABLE IF NOT EXISTS completions(
    key TEXT PRIMARY KEY, text TEXT NOT NULL, finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, logprobs TEXT NOT NULL, latency REAL NOT NULL,
    checksum TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slates(
    key TEXT PRIMARY KEY, text TEXT NOT NULL, checksum TEXT NOT NULL) WITHOUT ROWID;
"""
_COLUMNS = "text, finish_reason, prompt_tokens, completion_tokens, cached_tokens, logprobs, latency"

_Row = tuple[str, str, int, int, int, str, float]


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
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._lock = threading.Lock()
        if not create and not path.is_file():
            raise UserError(f"journal {path}: no such file; record a run first, or give its path")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"journal {path}: cannot be opened ({error})") from error
        try:
            with self._reading():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        # The write lock comes first: two processes that create one file would otherwise race, and
        # SQLite does not wait when it changes the journal mode.
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self._transaction():
            (found,) = self._db.execute("PRAGMA application_id").fetchone()
            (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if found != _APPLICATION_ID and tables:
                raise UserError(
                    f"journal {self.path}: this SQLite file is no focusgroup journal; "
                    "give another path"
                )
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise UserError(
                    f"journal {self.path}: written by a newer focusgroup (format {version}, "
                    f"this one reads {_VERSION}); upgrade focusgroup"
                )
            if found != _APPLICATION_ID:
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version={_VERSION}")
        (mode,) = self._db.execute("PRAGMA journal_mode").fetchone()
        if mode != "wal":
            self._db.execute("PRAGMA journal_mode=WAL")

    def get(self, key: str) -> Completion | None:
        """The stored completion, or None if there is none or its row is damaged."""
        with self._lock, self._reading():
            return self._read_completion(key)

    def put(self, key: str, completion: Completion) -> Completion:
        """Store unless the key is there already; returns what is stored, which is what counts."""
        with self._lock, self._reading(), self._transaction():
            stored = self._read_completion(key)
            if stored is not None:
                return stored
            row = _to_row(completion)
            self._db.execute(
                f"INSERT OR REPLACE INTO completions(key, {_COLUMNS}, checksum) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (key, *row, _checksum(key, *row)),
            )
        return _from_row(row)

    def get_slate(self, key: str) -> str | None:
        """The stored text, or None if there is none or its row is damaged."""
        with self._lock, self._reading():
            return self._read_slate(key)

    def put_slate(self, key: str, text: str) -> str:
        """Store a text (JSON, say) unless the key is there already; returns what is stored."""
        with self._lock, self._reading(), self._transaction():
            stored = self._read_slate(key)
            if stored is not None:
                return stored
            self._db.execute(
                "INSERT OR REPLACE INTO slates(key, text, checksum) VALUES (?, ?, ?)",
                (key, text, _checksum(key, text)),
            )
        return text

    def totals(self) -> JournalTotals:
        """How much the journal holds."""
        with self._lock, self._reading():
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

    def _read_completion(self, key: str) -> Completion | None:
        found = self._db.execute(
            f"SELECT {_COLUMNS}, checksum FROM completions WHERE key = ?",  # noqa: S608
            (key,),
        ).fetchone()
        if found is None or _checksum(key, *found[:-1]) != found[-1]:
            return None
        return _from_row(found[:-1])

    def _read_slate(self, key: str) -> str | None:
        found = self._db.execute(
            "SELECT text, checksum FROM slates WHERE key = ?", (key,)
        ).fetchone()
        if found is None or _checksum(key, found[0]) != found[1]:
            return None
        return str(found[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A failed COMMIT (disk full) may have rolled back on its own.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what SQLite says about a bad file into an error a person can act on."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            raise UserError(
                f"journal {self.path}: {error}; check the disk and the permissions, or move the "
                "file away to start a new one"
            ) from error


def _to_row(completion: Completion) -> _Row:
    usage = completion.usage
    return (
        completion.text,
        completion.finish_reason,
        usage.prompt,
        usage.completion,
        usage.cached,
        json.dumps(completion.logprobs, ensure_ascii=True),
        float(completion.latency),
    )


def _from_row(row: _Row) -> Completion:
    text, finish_reason, prompt, completion, cached, logprobs, latency = row
    pairs = json.loads(logprobs)
    return Completion(
        text=text,
        finish_reason=finish_reason,
        usage=Usage(prompt, completion, cached),
        logprobs=None if pairs is None else tuple((token, value) for token, value in pairs),
        latency=latency,
    )


def _checksum(*values: object) -> str:
    return hashlib.blake2b(repr(values).encode("utf-8", "replace"), digest_size=8).hexdigest()
