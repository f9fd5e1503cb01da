"""Does it follow popularity as much as people do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from focusgroup.simulator.metrics.results import Estimate

from .exam import Answers, Exam, Floats
from .row import Row, judged, not_known
from .samples import between, resampled_sums
from .sitting import NOBODY, Sitting, failures, in_words, per_user, sentence

LEAST, MOST = 0.75, 1.25
STEPS = 60
RIDGE = 1e-9  # of the total weight: a slope through answers that are all alike is 0


def popularity_slope(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Slope of the log-odds of engagement on log popularity: simulated / real. Passes in .75-1.25.

    An exam asks about as many not taken items to a taken one at every popularity, so within it
    popularity explains nothing, for anybody. Both slopes are therefore those of the whole
    catalogue: a question that was not taken stands for exp(offset) items, one that was taken for
    itself (Horvitz and Thompson 1952), and what is regressed is `taken`, or the simulator's
    probability without the offset. Logistic regression of a share (Papke and Wooldridge 1996); the
    same weights and questions in both. Samples of users move each slope by one Newton step from
    its solution, the same users in both.

    Where the real slope cannot be told from 0 their ratio means nothing: n/a.
    """
    sat = Sitting.of(exam, answers)
    if reason := sat.chances_missing():
        return not_known("popularity_slope", reason)
    if np.ptp(sat.exam.popularity) < 1e-9:
        return not_known("popularity_slope", "all items are equally popular")
    real = _slope(sat.exam, sat.exam.taken.astype(np.float64), seed)
    if not (real.estimate.low > 0 or real.estimate.high < 0):
        return not_known(
            "popularity_slope",
            f"the real slope, {in_words(real.estimate)}, cannot be told from 0",
        )
    simulated = _slope(sat.exam, expit(sat.answers.log_odds), seed)
    found = simulated.per(real)
    beside = {
        name: _slope(other.exam, expit(other.answers.log_odds), seed).per(
            _slope(other.exam, other.exam.taken.astype(np.float64), seed)
        )
        for name, other in sat.calibrated_beside(baselines).items()
    }
    return judged(
        "popularity_slope",
        found,
        passes=LEAST <= found.mean <= MOST,
        baselines=beside,
        note=sentence(
            f"slope {in_words(simulated.estimate)} simulated, {in_words(real.estimate)} real",
            failures(answers),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Slope:
    """A slope, and what it is in samples of users, (samples,)."""

    point: float
    replicates: Floats
    users: int

    @property
    def estimate(self) -> Estimate:
        return between(self.point, self.replicates, self.users)

    def per(self, real: _Slope) -> Estimate:
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates = self.replicates / real.replicates
        return between(self.point / real.point, replicates, self.users)


def _slope(exam: Exam, shares: Floats, seed: int) -> _Slope:
    """Of the log-odds of `shares`, (n,) in [0, 1], on popularity, over the whole catalogue."""
    weight = np.where(exam.taken, 1.0, np.exp(exam.offset))
    total = float(weight.sum())
    x = exam.popularity - float((weight * exam.popularity).sum()) / total
    scale = math.sqrt(float((weight * x**2).sum()) / total) or 1.0
    x = x / scale
    level = float(logit(np.clip((weight * shares).sum() / total, 1e-9, 1 - 1e-9)))
    ridge, slope = RIDGE * total, 0.0
    for _ in range(STEPS):
        columns = _columns(weight, shares, expit(level + slope * x), x)
        step = _newton(np.array([[column.sum() for column in columns]]), slope, ridge)[0]
        level, slope = level + step[0], slope + step[1]
        if np.abs(step).max() < 1e-10:
            break
    sums = per_user(exam, *_columns(weight, shares, expit(level + slope * x), x))
    totals = resampled_sums(sums, seed)
    moved = slope + _newton(totals, slope, ridge)[:, 1]
    return _Slope(slope / scale, moved / scale, len(sums))


def _columns(weight: Floats, shares: Floats, fitted: Floats, x: Floats) -> list[Floats]:
    """Gradient by level and slope, and curvature (upper half of 2 x 2), of each question."""
    rest, spread = weight * (shares - fitted), weight * fitted * (1 - fitted)
    return [rest, rest * x, spread, spread * x, spread * x**2]


def _newton(sums: Floats, slope: float, ridge: float) -> Floats:
    """Newton steps of level and slope, (k, 2), none longer than 2, from sums of columns, (k, 5)."""
    first, second = sums[:, 0], sums[:, 1] - ridge * slope
    a, b, c = sums[:, 2] + ridge, sums[:, 3], sums[:, 4] + ridge
    steps = np.column_stack((c * first - b * second, a * second - b * first))
    return np.asarray(np.clip(steps / (a * c - b * b)[:, None], -2.0, 2.0))
