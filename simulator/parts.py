"""Parts of a run on disk: immutable Parquet files of sessions.

A part is written to a temporary file, synced and renamed: it is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .codec import from_table, to_table
from .errors import RunStopped, UserError
from .types import Session, SessionEnd, SessionKey
from .whole_file import whole_file

_IDENTITY = ("audience", "arm", "user_id", "round", "attempt", "end")


@dataclass(frozen=True, slots=True)
class Part:
    """A file of sessions, and of which (audience, round) they are."""

    path: Path
    rounds: frozenset[tuple[str, int]]

    @classmethod
    def write(cls, path: Path, sessions: Sequence[Session]) -> Part:
        """Write a new part durably. Raises RunStopped if there is no room for it."""
        try:
            with whole_file(path) as file:
                pq.write_table(to_table(sessions), file, compression="zstd")
        except OSError as error:
            raise RunStopped(
                f"{path} cannot be written ({error.strerror or error}); what was stored before is"
                " kept. Make room on the disk, or in your quota"
            ) from error
        return cls(path, frozenset((s.key.audience, s.key.round) for s in sessions))

    @classmethod
    def open(cls, path: Path) -> Part:
        """Look at a part that is there. Raises UserError, naming it, if it is not one of ours."""
        found = _read(path, ("audience", "round"))
        pairs = zip(found["audience"].to_pylist(), found["round"].to_pylist(), strict=True)
        return cls(path, frozenset(pairs))

    def sessions(self) -> Iterator[Session]:
        """What it holds, in the order it was written."""
        with _named(self.path):
            yield from from_table(_read(self.path))

    def table(self) -> pa.Table:
        """What it holds as a table of `codec.SCHEMA`."""
        return _read(self.path)

    def ends(self) -> Iterator[tuple[SessionKey, int, SessionEnd]]:
        """(key, attempt, end) of what it holds, without reading more than that."""
        found = _read(self.path, _IDENTITY)
        rows = zip(*(found[name].to_pylist() for name in _IDENTITY), strict=True)
        for audience, arm, user_id, round_, attempt, end in dict.fromkeys(rows):
            yield SessionKey(audience, arm, user_id, round_), attempt, SessionEnd(end)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a part is read into an error that names it."""
    try:
        yield
    except (pa.ArrowException, KeyError, OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: not a readable part of a run ({error}). Delete it and resume the run: its"
            " sessions are simulated again from the journal."
        ) from error


def _read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    with _named(path):
        found = pq.read_table(path, columns=None if columns is None else list(columns))
        for name in columns or ():
            found[name]  # a foreign file lacks it: said here, by name
        return found
