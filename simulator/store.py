"""Where sessions are kept: in memory, or as immutable Parquet parts in a run directory.

A part is written to a temporary file, synced and renamed: it is there whole or not at all. A
session is in exactly one part; a retried one is stored again with a higher attempt, which wins.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from .codec import from_table, to_table
from .errors import UserError
from .types import Session, SessionEnd, SessionKey


class SessionStore(Protocol):
    """Keeps finished sessions."""

    def append(self, sessions: Sequence[Session]) -> None:
        """Store sessions durably; all of them or none."""
        ...

    def sessions(self) -> list[Session]:
        """The latest attempt of every stored session, sorted by key."""
        ...


def latest(sessions: Iterable[Session]) -> list[Session]:
    """The highest attempt of every session, sorted by (audience, arm, user, round)."""
    best: dict[SessionKey, Session] = {}
    for session in sessions:
        known = best.get(session.key)
        if known is None or session.attempt > known.attempt:
            best[session.key] = session
    return [best[key] for key in sorted(best)]


class MemoryStore:
    """Sessions in a list: for notebooks and tests."""

    def __init__(self) -> None:
        self._sessions: list[Session] = []

    def append(self, sessions: Sequence[Session]) -> None:
        self._sessions.extend(sessions)

    def sessions(self) -> list[Session]:
        return latest(self._sessions)


class ParquetStore:
    """Sessions as `part-000000.parquet`, ... in a folder.

    Args:
        writing: whether this process is the one that writes: the folder is made if it is missing,
            and what an interrupted write left is swept away. A reader changes nothing.
    """

    def __init__(self, folder: Path, *, writing: bool = True) -> None:
        self._folder = folder
        if writing:
            folder.mkdir(parents=True, exist_ok=True)
            for torn in folder.glob("*.tmp"):
                torn.unlink()
        numbers = [int(path.stem[-6:]) for path in self._parts()]
        self._next = max(numbers, default=-1) + 1

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("part-" + "[0-9]" * 6 + ".parquet"))

    def append(self, sessions: Sequence[Session]) -> None:
        if not sessions:
            return
        path = self._folder / f"part-{self._next:06d}.parquet"
        torn = path.with_suffix(".tmp")
        with torn.open("wb") as file:
            pq.write_table(to_table(sessions), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        torn.rename(path)
        _sync_folder(self._folder)
        self._next += 1

    def sessions(self) -> list[Session]:
        """Raises UserError, naming the part, if a file is not one of ours."""
        found: list[Session] = []
        for path in self._parts():
            try:
                found += from_table(pq.read_table(path))
            except (pa.ArrowException, KeyError, OSError, ValueError, TypeError) as error:
                raise UserError(
                    f"{path}: not a readable part of a run ({error}). Delete it and resume the"
                    " run: its sessions are simulated again from the journal."
                ) from error
        return latest(found)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unfinished(session: Session, retry_failed: bool) -> bool:
    """Whether a stored session is to be run again."""
    return retry_failed and session.end is SessionEnd.FAILED
