"""Where sessions are kept: in memory, or as immutable Parquet parts in a run directory.

A session is in exactly one part; a retried one is stored again with a higher attempt, which wins.
A store can be asked what it holds without reading the sessions themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .parts import Part
from .past import PastInParts, by_user_and_arm
from .types import Session, SessionEnd, SessionKey
from .whole_file import TORN

Past = Callable[[str, str], tuple[Session, ...]]
"""(user id, arm) -> that user's sessions of that arm in earlier rounds, earliest first."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store says of a session without reading it: its latest attempt."""

    attempt: int
    end: SessionEnd


class SessionStore(Protocol):
    """Keeps finished sessions."""

    def append(self, sessions: Sequence[Session]) -> None:
        """Store sessions durably; all of them or none."""
        ...

    def sessions(
        self, *, audience: str | None = None, arm: str | None = None, round: int | None = None
    ) -> list[Session]:
        """The latest attempt of every stored session, or of those asked for, sorted by key."""
        ...

    def scan(
        self, *, audience: str | None = None, arm: str | None = None, round: int | None = None
    ) -> Iterator[Session]:
        """The same in no particular order, never all in memory at once."""
        ...

    def finished(self, audience: str, round: int) -> Mapping[SessionKey, Stored]:
        """What is stored of a round."""
        ...

    def past(self, audience: str, round: int) -> Past:
        """What users did before a round, looked up when a session starts."""
        ...

    def last_round(self, audience: str) -> int:
        """The last round of which anything is stored; -1 if there is none."""
        ...

    def count(self) -> int:
        """How many sessions are stored, each once whatever its attempts."""
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
    """Sessions in a dictionary: for notebooks and tests."""

    def __init__(self) -> None:
        self._sessions: dict[SessionKey, Session] = {}

    def append(self, sessions: Sequence[Session]) -> None:
        for session in sessions:
            known = self._sessions.get(session.key)
            if known is None or session.attempt > known.attempt:
                self._sessions[session.key] = session

    def sessions(
        self, *, audience: str | None = None, arm: str | None = None, round: int | None = None
    ) -> list[Session]:
        return sorted(self.scan(audience=audience, arm=arm, round=round), key=lambda s: s.key)

    def scan(
        self, *, audience: str | None = None, arm: str | None = None, round: int | None = None
    ) -> Iterator[Session]:
        return (s for s in self._sessions.values() if _wanted(s.key, audience, arm, round))

    def finished(self, audience: str, round: int) -> Mapping[SessionKey, Stored]:
        found = self.scan(audience=audience, round=round)
        return {s.key: Stored(s.attempt, s.end) for s in found}

    def past(self, audience: str, round: int) -> Past:
        earlier = (s for s in self.scan(audience=audience) if s.key.round < round)
        known = by_user_and_arm(earlier)
        return lambda user_id, arm: known.get((user_id, arm), ())

    def last_round(self, audience: str) -> int:
        return max((s.key.round for s in self.scan(audience=audience)), default=-1)

    def count(self) -> int:
        return len(self._sessions)


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
            for torn in folder.glob("*" + TORN):
                torn.unlink()
        self._known: dict[Path, Part] = {}
        numbers = [int(path.stem[-6:]) for path in folder.glob(_NAME)]
        self._next = max(numbers, default=-1) + 1

    def append(self, sessions: Sequence[Session]) -> None:
        if not sessions:
            return
        path = self._folder / f"part-{self._next:06d}.parquet"
        self._known[path] = Part.write(path, sessions)
        self._next += 1

    def sessions(
        self, *, audience: str | None = None, arm: str | None = None, round: int | None = None
    ) -> list[Session]:
        """Raises UserError, naming the part, if a file is not one of ours."""
        return latest(self.scan(audience=audience, arm=arm, round=round))

    def scan(
        self, *, audience: str | None = None, arm: str | None = None, round: int | None = None
    ) -> Iterator[Session]:
        """Raises UserError, naming the part, if a file is not one of ours."""
        parts = self._parts(audience, round)
        retried: dict[SessionKey, int] = {}
        for part in parts:
            for key, attempt, _ in part.ends():
                if attempt:
                    retried[key] = max(attempt, retried.get(key, 0))
        for part in parts:
            for session in part.sessions():
                if session.attempt == retried.get(session.key, 0) and _wanted(
                    session.key, audience, arm, round
                ):
                    yield session

    def finished(self, audience: str, round: int) -> Mapping[SessionKey, Stored]:
        found: dict[SessionKey, Stored] = {}
        shared: dict[tuple[int, SessionEnd], Stored] = {}
        for part in self._parts(audience, round):
            for key, attempt, end in part.ends():
                known = found.get(key)
                if _wanted(key, audience, None, round) and (
                    known is None or attempt > known.attempt
                ):
                    found[key] = shared.setdefault((attempt, end), Stored(attempt, end))
        return found

    def past(self, audience: str, round: int) -> Past:
        earlier = [
            part
            for part in self._parts(audience)
            if any(name == audience and number < round for name, number in part.rounds)
        ]
        return PastInParts(earlier, audience, round)

    def last_round(self, audience: str) -> int:
        held = (pair for part in self._parts(audience) for pair in part.rounds)
        return max((number for name, number in held if name == audience), default=-1)

    def count(self) -> int:
        return len({key for part in self._parts() for key, _, _ in part.ends()})

    def _parts(self, audience: str | None = None, round: int | None = None) -> list[Part]:
        """Parts that may hold such sessions, in the order of their names."""
        paths = sorted(self._folder.glob(_NAME))
        for path in paths:
            if path not in self._known:
                self._known[path] = Part.open(path)
        return [
            part
            for part in map(self._known.__getitem__, paths)
            if any(
                (audience is None or name == audience) and (round is None or number == round)
                for name, number in part.rounds
            )
        ]


_NAME = "part-" + "[0-9]" * 6 + ".parquet"


def _wanted(key: SessionKey, audience: str | None, arm: str | None, round: int | None) -> bool:
    return (
        (audience is None or key.audience == audience)
        and (arm is None or key.arm == arm)
        and (round is None or key.round == round)
    )
