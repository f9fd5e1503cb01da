"""What users did in earlier rounds, looked up when a session starts and forgotten after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from .codec import from_table
from .parts import Part
from .types import Session

MEMORY = 64_000_000  # bytes of parts kept open at once


class PastInParts:
    """Sessions of one audience before a round, read from parts on disk.

    Users come in about the same order in each round, so the parts read last are kept open, as
    tables; only the sessions asked for are decoded.
    """

    def __init__(self, parts: Sequence[Part], audience: str, round: int) -> None:
        self._parts, self._audience, self._round = parts, audience, round
        self._open: dict[int, _Open] = {}
        self._bytes = 0
        found: defaultdict[str, list[int]] = defaultdict(list)
        for number, part in enumerate(parts):
            for user_id in dict.fromkeys(key.user_id for key, _, _ in part.ends()):
                found[user_id].append(number)
        self._where = {user_id: tuple(numbers) for user_id, numbers in found.items()}

    def __call__(self, user_id: str, arm: str) -> tuple[Session, ...]:
        """The latest attempt of each of the user's sessions of the arm, earliest round first."""
        found = (
            session
            for number in self._where.get(user_id, ())
            for session in self._opened(number).of(user_id, arm)
            if session.key.audience == self._audience and session.key.round < self._round
        )
        return by_user_and_arm(found).get((user_id, arm), ())

    def _opened(self, number: int) -> _Open:
        known = self._open.pop(number, None)
        if known is None:
            known = _Open(self._parts[number].table())
            self._bytes += known.table.nbytes
        self._open[number] = known  # last in line to be closed
        while self._bytes > MEMORY and len(self._open) > 1:
            oldest = self._open.pop(next(iter(self._open)))
            self._bytes -= oldest.table.nbytes
        return known


class _Open:
    """A part in memory, and where each user's sessions of an arm begin and end in it."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._rows: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        names = zip(table["user_id"].to_pylist(), table["arm"].to_pylist(), strict=True)
        for row, name in enumerate(names):
            self._rows[name].append(row)

    def of(self, user_id: str, arm: str) -> list[Session]:
        rows = self._rows.get((user_id, arm))
        return [] if rows is None else from_table(self.table.take(rows))


def by_user_and_arm(
    sessions: Iterable[Session],
) -> Mapping[tuple[str, str], tuple[Session, ...]]:
    """Sessions of each (user id, arm), the latest attempt of each round, earliest first."""
    grouped: defaultdict[tuple[str, str], dict[int, Session]] = defaultdict(dict)
    for session in sessions:
        rounds = grouped[session.key.user_id, session.key.arm]
        known = rounds.get(session.key.round)
        if known is None or session.attempt > known.attempt:
            rounds[session.key.round] = session
    return {
        name: tuple(rounds[number] for number in sorted(rounds)) for name, rounds in grouped.items()
    }
