"""The comparison in words: who is ahead, or that n is too small to say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .metric import Better, Metric
from .results import Estimate

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Duel:
    """The paired comparison of two arms on the primary metric: first - second.

    Attributes:
        p_all: the p-value after Holm's correction over all pairs of arms.
    """

    difference: Estimate
    p_all: float
    minimum_detectable: float

    def turned(self) -> Duel:
        """The same, second - first."""
        d = self.difference
        flipped = Estimate(-d.mean, -d.high, -d.low, d.n)
        return Duel(flipped, self.p_all, self.minimum_detectable)


@dataclass(frozen=True, slots=True)
class Contest:
    """One audience's comparison, ready to be put in words.

    Attributes:
        values: the primary metric of each arm over the paired users.
        duels: by (first, second), indices of arms with first < second.
        n: users compared.
        failed: users left out because they failed in some arm.
        unfinished: users left out because they have not met every arm in every round.
        expected: whether values come from stored probabilities.
    """

    metric: Metric
    arms: tuple[str, ...]
    values: tuple[float, ...]
    duels: Mapping[tuple[int, int], Duel]
    n: int
    failed: int
    unfinished: int
    expected: bool

    def ranked(self) -> list[int]:
        """Arms with a value, the best first."""
        sign = 1.0 if self.metric.better is Better.LOWER else -1.0
        known = [i for i, value in enumerate(self.values) if not math.isnan(value)]
        return sorted(known, key=lambda i: (sign * self.values[i], i))

    def duel(self, first: int, second: int) -> Duel:
        if first < second:
            return self.duels[first, second]
        return self.duels[second, first].turned()


def verdict(contest: Contest) -> str:
    """A few sentences: the answer, what it rests on, who was left out."""
    ranked = contest.ranked()
    if len(contest.arms) < 2:
        answer = "Only one recommender was answered: nothing can be compared."
    elif contest.n == 0:
        answer = "No user answered in every arm: nothing can be compared."
    elif len(ranked) < 2:
        answer = f"The {contest.metric.label} of fewer than two arms is known: nothing to compare."
    else:
        answer = _answer(contest, ranked)
    return " ".join([answer, *_basis(contest)])


def _answer(contest: Contest, ranked: Sequence[int]) -> str:
    best, others = ranked[0], ranked[1:]
    beaten = [i for i in others if contest.duel(best, i).p_all < LEVEL]
    level = [i for i in others if i not in beaten]
    arms, metric = contest.arms, contest.metric
    ahead = "highest" if metric.better is Better.NONE else "ahead"
    if not level:
        gaps = ", ".join(_gap(contest, best, i) for i in beaten)
        return f"{arms[best]} is {ahead}: {metric.label} {gaps} (n = {contest.n} users)."
    if beaten:
        tied = _listed([arms[i] for i in (best, *level)])
        gaps = ", ".join(_gap(contest, best, i) for i in beaten)
        return (
            f"{tied} cannot be told apart with n = {contest.n} users: {metric.label} of "
            f"{arms[best]} is {_gap(contest, best, level[0])}, {_chance(contest, best, level[0])}; "
            f"{_shows(contest, best, level[0])}. "
            f"{arms[best]} is {ahead} of the rest: {gaps}."
        )
    last = others[-1]
    if contest.duel(best, last).difference.mean == 0:
        gap = f"{metric.label} is the same in every arm"
    else:
        gap = (
            f"the largest gap in {metric.label} is {arms[best]} {_gap(contest, best, last)}, "
            f"{_chance(contest, best, last)}"
        )
    return (
        f"n = {contest.n} users is too small to say which recommender is {ahead}: {gap}; "
        f"{_shows(contest, best, last)}."
    )


def _gap(contest: Contest, first: int, second: int) -> str:
    d, metric = contest.duel(first, second).difference, contest.metric
    side = "above" if d.mean >= 0 else "below"
    low, high = (d.low, d.high) if d.mean >= 0 else (-d.high, -d.low)
    interval = " to ".join(metric.difference_text(end + 0.0, unit=False) for end in (low, high))
    size = metric.difference_text(abs(d.mean))
    return f"{size} {side} {contest.arms[second]} (95 % interval {interval})"


def _chance(contest: Contest, first: int, second: int) -> str:
    p, pairs = contest.duel(first, second).p_all, len(contest.duels)
    corrected = f" after Holm's correction for {pairs} pairs" if pairs > 1 else ""
    return "p unknown" if math.isnan(p) else f"p = {p:.2g}{corrected}"


def _shows(contest: Contest, first: int, second: int) -> str:
    smallest = contest.duel(first, second).minimum_detectable
    if math.isnan(smallest):
        return "the smallest difference this n could show is unknown, since no two users differ"
    text = contest.metric.difference_text(smallest)
    return f"the smallest difference this n could show in a single comparison is {text}"


def _basis(contest: Contest) -> list[str]:
    said = []
    if contest.expected:
        said.append("Estimated from stored probabilities instead of drawn actions.")
    if contest.failed:
        said.append(f"Left out: {_users(contest.failed)} who failed in some arm.")
    if contest.unfinished:
        said.append(f"Left out: {_users(contest.unfinished)} who have not met every arm yet.")
    return said


def _users(n: int) -> str:
    return "1 user" if n == 1 else f"{n} users"


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


@dataclass(frozen=True, slots=True)
class Losses:
    """What failures cost one arm.

    Attributes:
        rate: failed visits over visits.
        known: the primary metric over the users who did not fail in this arm, NaN if it is no mean
            over users.
        lost: share of users who did.
    """

    rate: float
    known: float
    lost: float


def failure_bounds(contest: Contest, losses: Sequence[Losses]) -> str:
    """Worst and best case of the primary metric's differences, whatever the failed users would have
    done (Manski 1990); "" while the arms' failure rates lie within two points of each other.

    Each user counts alike in these bounds.
    """
    rates = [loss.rate for loss in losses if not math.isnan(loss.rate)]
    ranked = contest.ranked()
    if len(rates) < 2 or max(rates) - min(rates) <= 0.02 or len(ranked) < 2:
        return ""
    shown = ", ".join(
        f"{arm} {100 * loss.rate:.1f} %" for arm, loss in zip(contest.arms, losses, strict=True)
    )
    metric, best = contest.metric, ranked[0]
    if metric.bounds is None or any(math.isnan(losses[arm].known) for arm in ranked):
        return f"Failure rates differ ({shown}), and {metric.label} gives no bounds to assume."
    worst, most = metric.bounds
    spans = []
    for other in ranked[1:]:
        a, b = losses[best], losses[other]
        apart = (1 - a.lost) * a.known - (1 - b.lost) * b.known
        low = metric.difference_text(apart + a.lost * worst - b.lost * most, unit=False)
        high = metric.difference_text(apart + a.lost * most - b.lost * worst)
        spans.append(f"{contest.arms[best]} - {contest.arms[other]} from {low} to {high}")
    return (
        f"Failure rates differ ({shown}): whatever the users who failed would have done, "
        f"{metric.label} lies, {', '.join(spans)}."
    )
