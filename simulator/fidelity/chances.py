"""Are its probabilities what happens: bin by bin, and in sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .chance_draws import drawn_choices
from .exam import Answers, Exam, Floats, Integers
from .row import Row, judged, not_known
from .samples import around, ratio_over_users, resampled_sums
from .sitting import NOBODY, Sitting, failures, per_user

BINS = 15
GOOD_ERROR, STRONG_ERROR = 0.05, 0.02
FEWEST, MOST = 0.8, 1.25  # engagements per real one
PERFECT_DRAWS = 20


def ece(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Expected calibration error, in-exam probabilities, in [0, 1].

    Mean over 15 bins of equally many questions, weighted by size, of the gap between mean
    probability and share taken (Guo et al. 2017; equal chances stay together). The value is the
    plain figure, which few questions push up: `perfectly calibrated`, beside it, is what these
    probabilities would score here if they were true; where they would fail, the row is n/a. Passes
    at .05, strong at .02.
    """
    sat = Sitting.of(exam, answers)
    if reason := sat.chances_missing():
        return not_known("ece", reason)
    found, if_true = _error(sat, seed), _if_true(sat, seed)
    if if_true.mean > GOOD_ERROR:
        return not_known(
            "ece",
            f"{len(sat.exam)} questions are too few: probabilities that were true would score"
            f" {if_true.mean:.2f}",
        )
    beside = {name: _error(other, seed) for name, other in sat.calibrated_beside(baselines).items()}
    return judged(
        "ece",
        found,
        passes=found.mean <= GOOD_ERROR,
        strong=found.mean <= STRONG_ERROR,
        baselines={"perfectly calibrated": if_true, **beside},
        note=failures(answers),
    )


def engagement_ratio(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Expected engagements over real ones, sums over the exam. Passes in [.8, 1.25]."""
    sat = Sitting.of(exam, answers)
    if reason := sat.chances_missing():
        return not_known("engagement_ratio", reason)
    if not sat.exam.taken.any():
        return not_known("engagement_ratio", "nothing was taken")
    found = _ratio(sat, seed)
    return judged(
        "engagement_ratio",
        found,
        passes=FEWEST <= found.mean <= MOST,
        baselines={
            name: _ratio(other, seed) for name, other in sat.calibrated_beside(baselines).items()
        },
        note=failures(answers),
    )


def _ratio(sat: Sitting, seed: int) -> Estimate:
    sums = per_user(sat.exam, sat.answers.chance(sat.exam), sat.exam.taken.astype(np.float64))
    return ratio_over_users(sums[:, 0], sums[:, 1], seed)


def _bins(chances: Floats) -> Integers:
    """Which of the bins each chance is in, (n,): by rank, equal chances together."""
    rank = rankdata(chances, method="min") - 1
    return np.asarray(rank * BINS // len(chances), dtype=np.int64)


def _error(sat: Sitting, seed: int) -> Estimate:
    chances = sat.answers.chance(sat.exam)
    bins = _bins(chances)
    gap = chances - sat.exam.taken
    columns = [np.where(bins == number, gap, 0.0) for number in range(BINS)]
    sums = per_user(sat.exam, *columns, np.ones(len(gap)))
    point = np.abs(sums[:, :BINS].sum(axis=0)).sum() / len(gap)
    totals = resampled_sums(sums, seed)
    replicates = np.abs(totals[:, :BINS]).sum(axis=1) / totals[:, BINS]
    return around(float(point), replicates, len(sums))


def _if_true(sat: Sitting, seed: int) -> Estimate:
    """The error of true chances, mean and 95 % of what chance alone makes of it."""
    chances = sat.answers.chance(sat.exam)
    bins = _bins(chances)
    errors = []
    for n in range(PERFECT_DRAWS):
        taken = drawn_choices(chances, derive_seed(seed, "perfect"), n)
        gaps = np.bincount(bins, chances - taken, BINS)
        errors.append(np.abs(gaps).sum() / len(chances))
    low, high = np.quantile(errors, [0.025, 0.975])
    users = len(np.unique(sat.exam.users))
    return Estimate(float(np.mean(errors)), float(low), float(high), users)
