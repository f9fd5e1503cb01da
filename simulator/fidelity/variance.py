"""Are its users as different from each other as people are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from focusgroup.simulator.metrics.results import Estimate

from .chance_draws import DRAWS, drawn_choices, drawn_stars, star_uniforms
from .exam import Answers, Exam, Floats
from .row import Row, judged, not_known
from .samples import between, resampled_sums
from .sitting import NOBODY, Sitting, failures, per_user

LEAST, MOST = 0.7, 1.3
ALIKE = "users all alike"


def variance_ratio(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Variance between users of the share of questions taken: drawn / real. Passes in .7-1.3.

    Drawn and real choices answer the same questions, so the noise of few questions is the same in
    both; three draws, averaged. `users all alike`, beside it, is that noise alone: where it is so
    large that users without any difference would pass, the row is n/a.
    """
    sat = Sitting.of(exam, answers)
    if reason := sat.chances_missing():
        return not_known("variance_ratio", reason)
    found = _Compared.choices(sat, seed)
    beside = sat.calibrated_beside(baselines).items()
    others = {name: _Compared.choices(other, seed) for name, other in beside}
    return _row(found, others, seed, failures(answers))


def stars_variance_ratio(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """The same for a user's mean stars, over the items the user rated."""
    rated = ~np.isnan(exam.stars)
    if not rated.any():
        return not_known("variance_ratio", "the log has no ratings")
    sat = Sitting.of(exam, answers, rated)
    if sat.answers.star_chances is None:
        return not_known("variance_ratio", "it gives no probabilities of stars")
    if not len(sat.exam):
        return not_known("variance_ratio", "no rated item was answered")
    found = _Compared.ratings(sat, sat.answers.star_chances, seed)
    others = {
        name: _Compared.ratings(other, other.answers.star_chances, seed)
        for name, other in sat.beside(baselines).items()
        if other.answers.star_chances is not None
    }
    return _row(found, others, seed, failures(answers))


@dataclass(frozen=True, slots=True)
class _Compared:
    """Each user's mean of what really happened, and of each draw: (users,), (users, draws).

    Attributes:
        alike: variance of the real means if all questions were alike to all users.
        asked: questions a user, (users,).
    """

    real: Floats
    drawn: Floats
    alike: float
    asked: Floats

    @classmethod
    def choices(cls, sat: Sitting, seed: int) -> _Compared:
        chances = sat.answers.chance(sat.exam)
        draws = [drawn_choices(chances, seed, n).astype(np.float64) for n in range(DRAWS)]
        return cls._of(sat, sat.exam.taken.astype(np.float64), draws)

    @classmethod
    def ratings(cls, sat: Sitting, chances: Floats, seed: int) -> _Compared:
        draws = [drawn_stars(chances, star_uniforms(len(chances), seed, n)) for n in range(DRAWS)]
        return cls._of(sat, sat.exam.stars, draws)

    @classmethod
    def _of(cls, sat: Sitting, real: Floats, draws: list[Floats]) -> _Compared:
        sums = per_user(sat.exam, np.ones(len(real)), real, *draws)
        asked = sums[:, 0]
        means = sums[:, 1:] / asked[:, None]
        return cls(means[:, 0], means[:, 1:], float((real.var() / asked).mean()), asked)

    def ratio(self, seed: int) -> Estimate:
        users = len(self.real)
        means = np.column_stack((self.real, self.drawn))
        means = means - means.mean(axis=0)  # squares of small numbers lose nothing
        totals = resampled_sums(np.hstack((means, means**2)), seed) / users
        columns = means.shape[1]
        spread = totals[:, columns:] - totals[:, :columns] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates = spread[:, 1:].mean(axis=1) / spread[:, 0]
            point = float(self.drawn.var(axis=0).mean() / self.real.var())
        return between(point, np.where(np.isfinite(replicates), replicates, np.nan), users)


def _row(found: _Compared, others: Mapping[str, _Compared], seed: int, note: str) -> Row:
    if np.ptp(found.real) < 1e-12:
        return not_known("variance_ratio", "real users do not differ at all")
    alike = found.alike / float(found.real.var())
    if alike >= LEAST:
        return not_known(
            "variance_ratio",
            f"{np.median(found.asked):.0f} questions a user are too few: users all alike would"
            f" score {alike:.2f}",
        )
    ratio = found.ratio(seed)
    beside = {name: other.ratio(seed) for name, other in others.items()}
    return judged(
        "variance_ratio",
        ratio,
        passes=LEAST <= ratio.mean <= MOST,
        baselines={ALIKE: Estimate(alike, math.nan, math.nan, ratio.n), **beside},
        note=note,
    )
