"""The language model's share: how much its opinion adds to what the statistics know.

On calibration pages the model's opinion, compared within the page, earns its weight beside the
behaviour model's log-odds: a model that knows nothing, or nothing the statistics do not know, gets
a weight near zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Interaction, Opinion, Response, Slate

from .behaviour import BehaviourModel, Judgement
from .calibration_pages import CalibrationPage
from .elicit import Elicited
from .folded import FoldedUsers
from .memory import Memory
from .offset_logit import slopes_beside
from .stars import LEVELS

Floats = NDArray[np.float64]
REPLICATES = 200
NEVER = 1e-6  # a chance of stars below this counts as this, so that an opinion can change it


@dataclass(frozen=True, slots=True)
class OpinionWeight:
    """What an opinion adds to log-odds, per unit above its page's mean.

    Attributes:
        value: to the log-odds of engagement.
        low, high: 95 % interval of `value`, bootstrapped over pages.
        pages: how many pages it was learned from.
        position: to the log-odds of engagement, per number an item bears in the prompt: what takes
            off the model's bias for the numbers it reads first.
        stars: to the log-odds of giving more than s stars, for each s.
    """

    value: float
    low: float
    high: float
    pages: int
    position: float = 0.0
    stars: float = 0.0

    def log_odds(self, opinion: Opinion) -> Floats:
        """What an opinion adds to the log-odds of engagement, one number a slot."""
        added = self.value * _centred(opinion.scores)
        if opinion.numbers:
            added = added + self.position * _centred(opinion.numbers)
        return np.asarray(added)

    def star_log_odds(self, opinion: Opinion) -> Floats:
        """What an opinion adds to the log-odds of more stars, one number a slot."""
        return np.asarray(self.stars * _centred(opinion.scores))


@dataclass(frozen=True, slots=True)
class Pooled:
    """Decides by the behaviour model with the language model's opinion pooled in."""

    model: BehaviourModel
    history: Callable[[str], Sequence[Interaction]]
    weight: OpinionWeight
    users: FoldedUsers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", FoldedUsers(self.model.space, self.history))

    def decide(self, slate: Slate, visit: Visit, memory: Memory, said: Elicited) -> Response:
        added = self.weight.log_odds(said.opinion)
        stars = self.weight.star_log_odds(said.opinion)
        response = self.model.respond([slate], [visit], [memory], self.users, added, stars)[0]
        return replace(response, opinion=said.opinion, completion_keys=said.completion_keys)


def pool(judged: Judgement, opinions: Sequence[Opinion], weight: OpinionWeight) -> Judgement:
    """A judgement with opinions pooled in.

    Args:
        judged: of the slots of some pages, one page after the other.
        opinions: one a page, in the same order.
    """
    log_odds = judged.log_odds + _of_slots([weight.log_odds(one) for one in opinions])
    if judged.star_chances is None:
        return Judgement(log_odds, None, None)
    shift = _of_slots([weight.star_log_odds(one) for one in opinions])
    chances = shifted(judged.star_chances, shift)
    return Judgement(log_odds, np.asarray(chances @ np.arange(1.0, LEVELS + 1)), chances)


def shifted(star_chances: Floats, log_odds: Floats) -> Floats:
    """Chances of 1 ... 5 stars, (n, 5), with (n,) added to the log-odds of more than each."""
    above = _more_than(star_chances) + log_odds[:, None]
    ends = (np.ones((len(above), 1)), 1 / (1 + np.exp(-above)), np.zeros((len(above), 1)))
    return np.asarray(-np.diff(np.hstack(ends), axis=1))


def weigh_opinions(
    pages: Sequence[CalibrationPage], opinions: Sequence[Opinion], *, seed: int
) -> OpinionWeight:
    """The weight of an opinion beside what the statistics expect, by a regularised logit.

    Opinion, number in the prompt and what is expected are all taken within their page: of a page
    nothing counts but which of its slots were engaged with, so that it does not matter how many
    were put there. Stars likewise, on the slots that were rated.

    Args:
        opinions: one per page; pages the model could not answer are left out by the caller.
    """
    told = [(p, o) for p, o in zip(pages, opinions, strict=True) if 0 < sum(p.engaged) < _size(p)]
    choices = [_choice_rows(page, opinion) for page, opinion in told]
    if not choices or not any(rows[:, 2].any() for rows in choices):
        return OpinionWeight(0.0, 0.0, 0.0, len(pages))
    value, position = _slopes(np.vstack(choices))
    rng = np.random.default_rng(derive_seed(seed, "opinion weight"))
    draws = [
        _slopes(np.vstack([choices[n] for n in rng.integers(len(choices), size=len(choices))]))[0]
        for _ in range(REPLICATES)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    rated = [_star_rows(page, opinion) for page, opinion in zip(pages, opinions, strict=True)]
    stars = float(_slopes(np.vstack(rated))[0])
    return OpinionWeight(float(value), float(low), float(high), len(pages), float(position), stars)


def _choice_rows(page: CalibrationPage, opinion: Opinion) -> Floats:
    """(slots, 4): whether engaged, log-odds that stand, opinion, number; the last three in-page."""
    engaged = np.array(page.engaged, np.float64)
    expected = _centred(page.expected or (0.0,) * _size(page))
    share = engaged.mean()
    numbers = opinion.numbers or (0,) * _size(page)
    return np.column_stack(
        (
            engaged,
            expected + np.log(share / (1 - share)),
            _centred(opinion.scores),
            _centred(numbers),
        )
    )


def _star_rows(page: CalibrationPage, opinion: Opinion) -> Floats:
    """(rated slots x thresholds, 4): the part of a rating above it, log-odds that stand, opinion,
    and no number: what is read first is picked, not rated higher."""
    rated = [slot for slot, stars in enumerate(page.stars) if stars is not None]
    if not rated:
        return np.zeros((0, 4))
    given = np.array([page.stars[slot] for slot in rated], np.float64)
    above = np.clip(given[:, None] - np.arange(1.0, LEVELS), 0.0, 1.0).ravel()
    known = _more_than(np.array([page.star_chances[slot] for slot in rated])).ravel()
    scores = np.repeat(_centred(opinion.scores)[rated], LEVELS - 1)
    return np.column_stack((above, known, scores, np.zeros(len(above))))


def _slopes(rows: Floats) -> tuple[float, float]:
    """Slopes of opinion and number in rows of outcome, log-odds that stand, opinion, number."""
    outcomes, features = rows[:, 0], rows[:, 2:]
    if not features.any() or not outcomes.any() or (outcomes == 1).all():
        return 0.0, 0.0
    opinion, number = slopes_beside(rows[:, 1], features, outcomes)
    return float(opinion), float(number)


def _more_than(star_chances: Floats) -> Floats:
    """Log-odds of more than 1 ... 4 stars, (n, 4), from chances, (n, 5)."""
    above = np.clip(np.cumsum(star_chances[:, ::-1], axis=1)[:, -2::-1], NEVER, 1 - NEVER)
    return np.asarray(np.log(above) - np.log1p(-above))


def _centred(values: Sequence[float]) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    return np.asarray(numbers - numbers.mean())


def _of_slots(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _size(page: CalibrationPage) -> int:
    return len(page.engaged)
