"""Users without a model: yardsticks a simulated audience has to beat, and the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Action,
    Click,
    Event,
    Interaction,
    NextPage,
    Purchase,
    Rate,
    Response,
    Slate,
    SlotOdds,
)


@dataclass(frozen=True, slots=True)
class RandomUser:
    """Clicks every slot with the same probability, in [0, 1]."""

    click: float = 0.2

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        return [
            _drawn(slate, visit, np.full(len(slate.item_ids), self.click))
            for slate, visit in zip(slates, visits, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class SlotBiasedUser:
    """Clicks by position alone: `first` at the top, times `decay` for each slot below."""

    first: float = 0.5
    decay: float = 0.7

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        return [
            _drawn(slate, visit, self.first * self.decay ** np.arange(float(len(slate.item_ids))))
            for slate, visit in zip(slates, visits, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class PopularityUser:
    """Clicks by popularity alone: the share of users who had the item, times `strength`.

    Attributes:
        popularity: item id -> share of users, in [0, 1].
    """

    popularity: Mapping[str, float]
    strength: float = 1.0

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        return [
            _drawn(slate, visit, np.array([self._chance(i) for i in slate.item_ids]))
            for slate, visit in zip(slates, visits, strict=True)
        ]

    def _chance(self, item_id: str) -> float:
        return min(1.0, self.strength * self.popularity.get(item_id, 0.0))


@dataclass(frozen=True, slots=True)
class RecordedUser:
    """Answers as the user did in a real log: what the user took is taken, the rest is not.

    Attributes:
        log: user id -> the interactions that count as the truth.
    """

    log: Mapping[str, Sequence[Interaction]]

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        return [self._respond(s, v) for s, v in zip(slates, visits, strict=True)]

    def _respond(self, slate: Slate, visit: Visit) -> Response:
        truth: dict[str, list[Interaction]] = {}
        for real in self.log.get(visit.user_id, ()):
            truth.setdefault(real.item_id, []).append(real)
        actions: list[Action] = []
        for item_id in slate.item_ids:
            if item_id not in truth:
                continue
            stars = [real.value for real in truth[item_id] if real.event is Event.RATE]
            actions.append(Click(item_id))
            if any(real.event is Event.PURCHASE for real in truth[item_id]):
                actions.append(Purchase(item_id, visit.catalog[item_id].price or 0.0))
            if stars:
                actions.append(Rate(item_id, stars[-1]))
        liked = sum(any(real.positive for real in truth.get(i, ())) for i in slate.item_ids)
        return Response((*actions, NextPage()), liked / len(slate.item_ids))


def _drawn(slate: Slate, visit: Visit, chance: NDArray[np.float64]) -> Response:
    nth = [
        sum(1 for turn in visit.turns if turn.slate and item_id in turn.slate.item_ids)
        for item_id in slate.item_ids
    ]
    draws = visit.noise.items(slate.item_ids, "click", nth)
    clicked = [i for i, u, p in zip(slate.item_ids, draws, chance, strict=True) if u < p]
    return Response(
        (*(Click(i) for i in clicked), NextPage()),
        satisfaction=len(clicked) / len(slate.item_ids),
        odds=tuple(SlotOdds(float(p)) for p in chance),
    )
