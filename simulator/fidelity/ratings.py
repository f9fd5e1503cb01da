"""Are its stars right, item by item, and is their distribution that of real ratings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import rel_entr

from focusgroup.simulator.metrics.results import Estimate

from .chance_draws import in_levels
from .exam import Answers, Exam, Floats
from .row import Row, judged, not_known
from .samples import around, between, resampled_sums
from .sitting import NOBODY, Sitting, failures, per_user, sentence

BIASES = "user + item bias"
HUMAN = 0.56  # RMSE of people against themselves, asked again, at its lowest


def rating_rmse(
    exam: Exam,
    answers: Answers,
    bias: Answers,
    baselines: Mapping[str, Answers] = NOBODY,
    *,
    seed: int,
) -> Row:
    """Root mean squared error of expected stars on rated items, in stars.

    Passes at or below user + item bias on the same ratings, and not below .56: people who rate
    again differ from themselves by .56 to .82 (Hill et al. 1995; Amatriain et al. 2009), so who
    does better has seen the answers.

    Args:
        bias: what user and item bias alone expect; shown as `user + item bias`.
    """
    sat = _rated(exam, answers)
    if reason := _stars_missing(exam, sat):
        return not_known("rating_rmse", reason)
    found = _rmse(sat, seed)
    others = _able(sat, {BIASES: bias, **baselines})
    if BIASES not in others:
        return not_known("rating_rmse", "user + item bias gives no stars")
    reference = others[BIASES]
    same = _rmse(Sitting.of(sat.exam, sat.answers, reference.kept), seed)
    limit = _rmse(reference, seed)
    leaked = found.mean < HUMAN
    return judged(
        "rating_rmse",
        found,
        passes=same.mean <= limit.mean + 1e-9 and not leaked,
        baselines={name: _rmse(other, seed) for name, other in others.items()},
        note=sentence(
            "below .56 of 5 stars: it has seen the answers" if leaked else "", failures(answers)
        ),
    )


def rating_ks(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Kolmogorov-Smirnov distance of the distributions of 1 ... 5 stars, in [0, 1].

    Passes at .10, strong at .05. Of rated items: the mean of its probabilities (expected stars in
    proportion, if it gives none) against real ratings, those between two levels in proportion.
    """
    return _distance_row("rating_ks", _ks, (0.10, 0.05), exam, answers, baselines, seed)


def rating_wasserstein(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Wasserstein distance of the same distributions, in stars. Passes at .25, strong at .15."""
    return _distance_row(
        "rating_wasserstein", _wasserstein, (0.25, 0.15), exam, answers, baselines, seed
    )


def rating_js(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Jensen-Shannon divergence (Lin 1991) of the same distributions, in bits.

    In [0, 1]; not its root. Passes at .02, strong at .005.
    """
    return _distance_row("rating_js", _js, (0.02, 0.005), exam, answers, baselines, seed)


def _distance_row(
    name: str,
    distance: Callable[[Floats, Floats], Floats],
    bars: tuple[float, float],
    exam: Exam,
    answers: Answers,
    baselines: Mapping[str, Answers],
    seed: int,
) -> Row:
    sat = _rated(exam, answers)
    if reason := _stars_missing(exam, sat):
        return not_known(name, reason)
    found = _distance(distance, sat, seed)
    passes, strong = bars
    return judged(
        name,
        found,
        passes=found.mean <= passes,
        strong=found.mean <= strong,
        baselines={
            who: _distance(distance, other, seed) for who, other in _able(sat, baselines).items()
        },
        note=failures(answers),
    )


def _rated(exam: Exam, answers: Answers) -> Sitting:
    """Where there is a real rating and an expected one."""
    return Sitting.of(exam, answers, ~np.isnan(exam.stars) & ~np.isnan(answers.stars))


def _able(sat: Sitting, others: Mapping[str, Answers]) -> dict[str, Sitting]:
    """Those of the others who give stars, on the same ratings."""
    rated = {name: _rated(sat.exam, answers.only(sat.kept)) for name, answers in others.items()}
    return {name: other for name, other in rated.items() if len(other.exam)}


def _stars_missing(exam: Exam, sat: Sitting) -> str:
    if np.isnan(exam.stars).all():
        return "the log has no ratings"
    return "" if len(sat.exam) else "it gives no stars"


def _rmse(sat: Sitting, seed: int) -> Estimate:
    squares = (sat.answers.stars - sat.exam.stars) ** 2
    sums = per_user(sat.exam, squares, np.ones(len(squares)))
    totals = resampled_sums(sums, seed)
    point = float(np.sqrt(sums[:, 0].sum() / sums[:, 1].sum()))
    return between(point, np.sqrt(totals[:, 0] / totals[:, 1]), len(sums))


def _distance(distance: Callable[[Floats, Floats], Floats], sat: Sitting, seed: int) -> Estimate:
    chances = sat.answers.star_chances
    simulated = in_levels(sat.answers.stars) if chances is None else chances
    sums = per_user(sat.exam, *simulated.T, *in_levels(sat.exam.stars).T)
    totals = np.vstack((sums.sum(axis=0), resampled_sums(sums, seed)))
    shares = totals / totals[:, :5].sum(axis=1, keepdims=True)
    distances = distance(shares[:, :5], shares[:, 5:])
    return around(float(distances[0]), distances[1:], len(sums))


def _ks(p: Floats, q: Floats) -> Floats:
    return np.asarray(np.abs(np.cumsum(p - q, axis=1)).max(axis=1))


def _wasserstein(p: Floats, q: Floats) -> Floats:
    return np.asarray(np.abs(np.cumsum(p - q, axis=1)[:, :-1]).sum(axis=1))


def _js(p: Floats, q: Floats) -> Floats:
    middle = (p + q) / 2
    bits = (rel_entr(p, middle) + rel_entr(q, middle)) / (2 * np.log(2))
    return np.asarray(bits.sum(axis=1))
