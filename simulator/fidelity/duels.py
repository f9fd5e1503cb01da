"""Side by side duels of recommenders' pages: who won, by how much, and what the order did.

A duel shows two arms' pages to one user, and says how much the first is preferred. Each pair of
pages is shown in both orders: half the sum of the two answers is the advantage of being first, half
their difference is the preference. What is left of it counts as a part of a win, and strengths are
those of Bradley and Terry (1952), logit P(a beats b) = strength a - strength b.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.errors import FailureCause
from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .over_users import REPLICATES, mean_over_users

Floats = NDArray[np.float64]
# Between every two arms one tie is counted in: strengths stay finite where an arm always wins.
PRIOR_WINS = 0.5
_TOLERANCE, _STEPS = 1e-10, 5000


@dataclass(frozen=True, slots=True)
class DuelOutcome:
    """One duel: two arms' pages for one user, in the order shown.

    Attributes:
        first, second: arms.
        log_odds: natural log-odds that the first is preferred, finite; NaN if it failed.
        cause: why there is no answer, or None.
        same: the pages held the same items, so that nobody was asked; its log-odds are 0.
    """

    user_id: str
    first: str
    second: str
    log_odds: float
    cause: FailureCause | None = None
    same: bool = False


@dataclass(frozen=True, slots=True)
class DuelAccount:
    """Where every duel went: duels = same + asked, asked = answered + failed.

    Attributes:
        causes: why duels failed, each with its number.
    """

    duels: int
    same: int
    asked: int
    answered: int
    failed: int
    causes: Mapping[str, int]

    @classmethod
    def of(cls, outcomes: Sequence[DuelOutcome]) -> DuelAccount:
        """Count them."""
        causes = Counter(o.cause.value for o in outcomes if o.cause is not None)
        same, failed = sum(o.same for o in outcomes), causes.total()
        asked = len(outcomes) - same
        return cls(len(outcomes), same, asked, asked - failed, failed, dict(sorted(causes.items())))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an arm stands.

    Attributes:
        strength: log-odds of beating an average arm, with a 95 % interval over users.
        lead: strength above the arm ranked next below; None for the last.
    """

    arm: str
    strength: Estimate
    lead: Estimate | None


@dataclass(frozen=True, slots=True)
class DuelResults:
    """What duels came to.

    Attributes:
        standings: strongest first.
        wins: wins[a][b], arms in the order of the standings: share of duels that a won against b,
            the order taken off; NaN where there were none.
        order_effect: log-odds that being shown first adds; mean over users.
        first_share: share of answers that preferred the page shown first, a tie as a half.
        account: where every duel went.
        users: how many users answered at least one duel.
    """

    standings: tuple[Standing, ...]
    wins: tuple[tuple[float, ...], ...]
    order_effect: Estimate
    first_share: Estimate
    account: DuelAccount
    users: int


def judge_duels(outcomes: Sequence[DuelOutcome], arms: Sequence[str], *, seed: int) -> DuelResults:
    """Rank the arms.

    Args:
        arms: all that were to be compared.
    """
    won = wins_by_user(outcomes, arms)
    users = len(won)
    strengths = bradley_terry(won.sum(axis=0))
    rng = np.random.default_rng(derive_seed(seed, "duels"))
    drawn = bradley_terry(np.stack([_drawn(won, rng) for _ in range(REPLICATES)]))
    order = sorted(range(len(arms)), key=lambda a: (-strengths[a], arms[a]))

    def estimate(point: float, draws: Floats) -> Estimate:
        if users < 2:
            return Estimate(point if users else math.nan, math.nan, math.nan, users)
        low, high = np.quantile(draws, [0.025, 0.975])
        return Estimate(point, float(low), float(high), users)

    standings = []
    for place, a in enumerate(order):
        lead = None
        if place + 1 < len(order):
            b = order[place + 1]
            lead = estimate(float(strengths[a] - strengths[b]), drawn[:, a] - drawn[:, b])
        standings.append(Standing(arms[a], estimate(float(strengths[a]), drawn[:, a]), lead))
    total = won.sum(axis=0)[np.ix_(order, order)]
    played = total + total.T
    share = np.divide(total, played, out=np.full_like(total, np.nan), where=played > 0)
    effects, firsts = _order_by_user(outcomes)
    return DuelResults(
        tuple(standings),
        tuple(tuple(row) for row in share.tolist()),
        mean_over_users(effects, derive_seed(seed, "duels", "order")),
        mean_over_users(firsts, derive_seed(seed, "duels", "first")),
        DuelAccount.of(outcomes),
        users,
    )


def wins_by_user(outcomes: Sequence[DuelOutcome], arms: Sequence[str]) -> Floats:
    """(users, arms, arms): wins of one arm over another by user, parts of wins included.

    Each answered duel is one win to share out: sigmoid of its log-odds after the advantage of the
    order was taken off, that of its own two orders where both were answered, else the mean one.
    Users without an answer are left out; the others are sorted by id.
    """
    answered = {(o.user_id, o.first, o.second): o for o in outcomes if o.cause is None}
    advantage = _advantages(outcomes)
    mean = float(np.mean(list(advantage.values()))) if advantage else 0.0
    row_of = {user: row for row, user in enumerate(sorted({key[0] for key in answered}))}
    place = {arm: n for n, arm in enumerate(arms)}
    won = np.zeros((len(row_of), len(arms), len(arms)))
    for (user, first, second), outcome in answered.items():
        effect = 0.0 if outcome.same else advantage.get(_pair(outcome), mean)
        share = 0.5 * (1 + math.tanh(0.5 * (outcome.log_odds - effect)))
        won[row_of[user], place[first], place[second]] += share
        won[row_of[user], place[second], place[first]] += 1 - share
    return won


def bradley_terry(wins: Floats) -> Floats:
    """Strengths, (..., arms), of mean 0, from wins, (..., arms, arms) of row over column.

    Maximum likelihood with a tie between every two arms counted in, by the minorisation of Hunter
    (2004), "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 32.
    """
    arms = wins.shape[-1]
    counted = wins + PRIOR_WINS * (1 - np.eye(arms))
    played = counted + np.swapaxes(counted, -1, -2)
    mine = counted.sum(axis=-1)
    worth = np.ones(wins.shape[:-1])
    for _ in range(_STEPS):
        beside = worth[..., :, None] + worth[..., None, :]
        better = mine / (played / beside).sum(axis=-1) if arms > 1 else worth
        better /= np.exp(np.log(better).mean(axis=-1, keepdims=True))
        moved = float(np.abs(np.log(better / worth)).max(initial=0.0))
        worth = better
        if moved < _TOLERANCE:
            break
    # Rounded far below any difference that means something: equal arms tie exactly.
    return np.asarray(np.round(np.log(worth), 7) + 0.0)


def _drawn(won: Floats, rng: np.random.Generator) -> Floats:
    """Wins of as many users, drawn with replacement."""
    users = len(won)
    counts = np.bincount(rng.integers(users, size=users) if users else [], minlength=users)
    return np.asarray(np.tensordot(counts.astype(np.float64), won, axes=1))


def _pair(outcome: DuelOutcome) -> tuple[str, str, str]:
    low, high = sorted((outcome.first, outcome.second))
    return outcome.user_id, low, high


def _advantages(outcomes: Sequence[DuelOutcome]) -> dict[tuple[str, str, str], float]:
    """(user, arms) -> the advantage of being first, where both orders were answered."""
    said: dict[tuple[str, str, str], dict[str, float]] = {}
    for outcome in outcomes:
        if outcome.cause is None and not outcome.same:
            said.setdefault(_pair(outcome), {})[outcome.first] = outcome.log_odds
    return {pair: sum(by.values()) / 2 for pair, by in said.items() if len(by) == 2}


def _order_by_user(outcomes: Sequence[DuelOutcome]) -> tuple[Floats, Floats]:
    """Each user's mean advantage of being first, and share of answers for the first page."""
    effects: dict[str, list[float]] = {}
    for (user, _, _), effect in _advantages(outcomes).items():
        effects.setdefault(user, []).append(effect)
    firsts: dict[str, list[float]] = {}
    for o in outcomes:
        if o.cause is None and not o.same:
            firsts.setdefault(o.user_id, []).append((1 + float(np.sign(o.log_odds))) / 2)
    return _means(effects), _means(firsts)


def _means(by_user: Mapping[str, Sequence[float]]) -> Floats:
    return np.array([float(np.mean(by_user[user])) for user in sorted(by_user)], dtype=np.float64)
