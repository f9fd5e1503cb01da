"""What a report takes from the sessions of a run: a few visits to read, and how many came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from focusgroup.simulator.types import Session

from .choice import Choice, Chosen


@dataclass(frozen=True, slots=True)
class Seen:
    """The sessions of a run as its report knows them.

    Attributes:
        chosen: (audience, arm) -> the visits to read; every pair that was visited is there.
        users: audience -> number of users.
        rounds: number of rounds.
    """

    chosen: Mapping[tuple[str, str], tuple[Chosen, ...]]
    users: Mapping[str, int]
    rounds: int

    def readers(self) -> frozenset[str]:
        """Ids of the users whose visits are shown."""
        return frozenset(one.session.key.user_id for few in self.chosen.values() for one in few)


def see(sessions: Iterable[Session]) -> Seen:
    """Meet all visits of a run one by one, in any order, each key once; a few are kept."""
    choices: dict[tuple[str, str], Choice] = {}
    users: dict[str, set[str]] = {}
    rounds = set()
    for session in sessions:
        key = session.key
        choices.setdefault((key.audience, key.arm), Choice()).add(session)
        users.setdefault(key.audience, set()).add(key.user_id)
        rounds.add(key.round)
    return Seen(
        {place: choice.made() for place, choice in choices.items()},
        {audience: len(ids) for audience, ids in users.items()},
        len(rounds),
    )
