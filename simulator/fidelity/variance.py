"""Are its users as different from each other as people are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from focusgroup.simulator.metrics.results import Estimate

from .chance_draws import LEVELS
from .exam import Answers, Exam, Floats
from .row import Row, judged, not_known
from .samples import between, resampled_sums
from .sitting import NOBODY, Sitting, failures, per_user

LEAST, MOST = 0.7, 1.3
ALIKE = "users all alike"


def variance_ratio(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Variance between users of how much they take: drawn choices / real. Passes in .7-1.3.

    Where the log holds all that was shown: of the share of the shown items taken. Elsewhere an
    exam asks active users about more items, so shares within it hide who is active: there it is
    the number of items taken from the whole catalogue, each question that was not taken standing
    for exp(offset) items (Horvitz and Thompson 1952).

    Draws add the noise that real choices have: the variance of what is expected of each user plus
    the mean variance of a user's draw (law of total variance: the mean over all draws, exactly),
    less what the choice of questions adds. `users all alike`, beside it, is noise alone; where it
    is so large that users without any difference would pass, the row is n/a.
    """
    sat = Sitting.of(exam, answers)
    if reason := sat.chances_missing():
        return not_known("variance_ratio", reason)
    found = _choices(sat)
    beside = sat.calibrated_beside(baselines).items()
    return _row(found, {name: _choices(other) for name, other in beside}, seed, failures(answers))


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
    others = {
        name: _ratings(other, other.answers.star_chances)
        for name, other in sat.beside(baselines).items()
        if other.answers.star_chances is not None
    }
    return _row(_ratings(sat, sat.answers.star_chances), others, seed, failures(answers))


@dataclass(frozen=True, slots=True)
class _Compared:
    """One number a user, (users,) each.

    Attributes:
        real: what the user did. expected: what the simulator expects. noise: the variance of a
            draw around that. alike: the variance of a draw if all users were one.
        questions: how many it rests on.
    """

    real: Floats
    expected: Floats
    noise: Floats
    alike: Floats
    questions: Floats

    def ratio(self, seed: int) -> Estimate:
        users = len(self.real)
        pairs = np.column_stack((self.real, self.expected))
        pairs = pairs - pairs.mean(axis=0)  # squares of small numbers lose nothing
        columns = np.column_stack((pairs, pairs**2, self.noise))
        totals = np.vstack((columns.sum(axis=0), resampled_sums(columns, seed))) / users
        spread = totals[:, 2:4] - totals[:, :2] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.maximum(spread[:, 1] + totals[:, 4], 0.0) / spread[:, 0]
        return between(ratios[0], np.where(np.isfinite(ratios[1:]), ratios[1:], np.nan), users)


def _choices(sat: Sitting) -> _Compared:
    exam = sat.exam
    items = np.where(exam.taken, 1.0, np.exp(exam.offset))
    chances = expit(sat.answers.log_odds)
    share = float(exam.taken.sum() / items.sum())
    sums = per_user(
        exam,
        exam.taken.astype(np.float64),
        items * chances,
        items * chances * (1 - chances) - items * (items - 1) * chances**2,
        items * share * (1 - share),
        np.ones(len(exam)),
    )
    questions = sums[:, 4]
    size = np.full(len(sums), float(len(exam.item_ids))) if exam.offset.any() else questions
    return _Compared(
        sums[:, 0] / size, sums[:, 1] / size, sums[:, 2] / size**2, sums[:, 3] / size**2, questions
    )


def _ratings(sat: Sitting, chances: Floats) -> _Compared:
    expected = chances @ LEVELS
    stars = sat.exam.stars
    sums = per_user(
        sat.exam, stars, expected, chances @ LEVELS**2 - expected**2, np.ones(len(stars))
    )
    size = sums[:, 3]
    return _Compared(
        sums[:, 0] / size, sums[:, 1] / size, sums[:, 2] / size**2, stars.var() / size, size
    )


def _row(found: _Compared, others: Mapping[str, _Compared], seed: int, note: str) -> Row:
    if np.ptp(found.real) < 1e-12:
        return not_known("variance_ratio", "real users do not differ at all")
    alike = float(found.alike.mean() / found.real.var())
    if alike >= LEAST:
        return not_known(
            "variance_ratio",
            f"{np.median(found.questions):.0f} questions a user are too few: users all alike would"
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
