"""What a user remembers in one arm: a pure fold over the user's own stored turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from focusgroup.simulator.types import (
    Catalog,
    Click,
    Purchase,
    Rate,
    Response,
    Session,
    Slate,
    Turn,
)

FATIGUE_PER_PAGE = 0.12  # assumed: share of the remaining freshness a page costs
FATIGUE_KEPT = 0.3  # assumed: share of fatigue carried into the next visit
SATISFACTION_WEIGHT = 0.5  # assumed: weight of the newest page in the running satisfaction


@dataclass(frozen=True, slots=True)
class Remembered:
    """One item the user picked: with stars if it was rated, and whether it was bought."""

    item_id: str
    stars: float | None = None
    bought: bool = False


@dataclass(frozen=True, slots=True)
class PageMemory:
    """One page of this visit (0-based) and what was picked on it."""

    page: int
    picked: tuple[Remembered, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """The state of a user in an arm.

    Attributes:
        pages: this visit so far, oldest first.
        earlier: what was picked in earlier visits, oldest first.
        visits, pages_seen: counts of earlier visits.
        shown: how often each item was shown in this visit.
        fatigue, satisfaction: in [0, 1].
        satisfaction_before: as this visit began, in [0, 1].
    """

    pages: tuple[PageMemory, ...]
    earlier: tuple[Remembered, ...]
    visits: int
    pages_seen: int
    shown: Counter[str]
    fatigue: float
    satisfaction: float
    satisfaction_before: float = 0.5


class Mood(NamedTuple):
    """Of a memory no more than arithmetic asks for; see `Memory`."""

    shown: Mapping[str, int]
    fatigue: float
    satisfaction: float


_FRESH = Mood({}, 0.0, 0.5)


def mood(past: Sequence[Session], turns: Sequence[Turn]) -> Mood:
    """The same fold as `remember`, without what was picked."""
    if not past and not turns:
        return _FRESH
    fatigue, satisfaction = 0.0, 0.5
    for session in past:
        if answered := _answered(session.turns):
            fatigue, satisfaction = _evolve(fatigue * FATIGUE_KEPT, satisfaction, answered)
    answered = _answered(turns)
    fatigue, satisfaction = _evolve(fatigue * FATIGUE_KEPT, satisfaction, answered)
    shown = chain.from_iterable([slate.item_ids for _, slate, _ in answered])
    return Mood(Counter(shown) if answered else {}, fatigue, satisfaction)


def remember(past: Sequence[Session], turns: Sequence[Turn]) -> Memory:
    """The fold. Failed turns, and visits without an answered page, leave no trace in a memory."""
    fatigue, before, visits, pages_seen = 0.0, 0.5, 0, 0
    earlier: list[Remembered] = []
    for session in past:
        if not (answered := _answered(session.turns)):
            continue
        fatigue, before = _evolve(fatigue * FATIGUE_KEPT, before, answered)
        earlier += [r for _, _, response in answered for r in _picked(response)]
        visits += 1
        pages_seen += len(answered)
    answered = _answered(turns)
    fatigue, satisfaction = _evolve(fatigue * FATIGUE_KEPT, before, answered)
    return Memory(
        pages=tuple(PageMemory(page, _picked(response)) for page, _, response in answered),
        earlier=tuple(earlier),
        visits=visits,
        pages_seen=pages_seen,
        shown=Counter(i for _, slate, _ in answered for i in slate.item_ids),
        fatigue=fatigue,
        satisfaction=satisfaction,
        satisfaction_before=before,
    )


def recall(memory: Memory, slate: Slate, catalog: Catalog, limit: int = 4) -> list[Remembered]:
    """Earlier picks that bear on this page: same item, else shared attributes; newest win ties."""
    here = Counter(a for i in slate.item_ids for a in catalog[i].attributes)
    newest = {r.item_id: (n, r) for n, r in enumerate(memory.earlier) if r.item_id in catalog}
    ranked = sorted(
        newest.values(),
        key=lambda pair: (
            pair[1].item_id not in slate.item_ids,
            -sum(here[a] for a in catalog[pair[1].item_id].attributes),
            -pair[0],
        ),
    )
    return [remembered for _, remembered in ranked[:limit]]


def favourite_attributes(memory: Memory, catalog: Catalog, limit: int = 3) -> list[str]:
    """The attributes picked most in earlier visits, by count then name."""
    counts = Counter(
        a for r in memory.earlier if r.item_id in catalog for a in catalog[r.item_id].attributes
    )
    return [a for a, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))][:limit]


def _answered(turns: Sequence[Turn]) -> list[tuple[int, Slate, Response]]:
    return [
        (t.page, t.slate, t.outcome)
        for t in turns
        if t.slate is not None and isinstance(t.outcome, Response)
    ]


def _evolve(
    fatigue: float, satisfaction: float, answered: Sequence[tuple[int, Slate, Response]]
) -> tuple[float, float]:
    for _, _, response in answered:
        fatigue += (1 - fatigue) * FATIGUE_PER_PAGE
        satisfaction += SATISFACTION_WEIGHT * (response.satisfaction - satisfaction)
    return fatigue, satisfaction


def _picked(response: Response) -> tuple[Remembered, ...]:
    stars: dict[str, float] = {}
    picked: dict[str, bool] = {}  # in the order they were; whether they were bought
    for action in response.actions:
        match action:
            case Click(item_id):
                picked.setdefault(item_id, False)
            case Purchase(item_id):
                picked[item_id] = True
            case Rate(item_id, given):
                stars[item_id] = given
    return tuple(Remembered(i, stars.get(i), bought) for i, bought in picked.items())
