"""Is a paired difference real: permutation p-values, Holm's correction, what n can detect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from .bootstrap import Spread
from .exposures import Floats

PERMUTATIONS = 9999
_CHUNK = 2_000_000


def paired_p_values(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats], seed: int
) -> list[float]:
    """Two-sided p-values of differences of ratios, one a column, paired by user.

    If the arms are alike, a user's two outcomes could as well be exchanged: each permutation flips
    a coin a user and swaps both numerator and denominator (Pitman 1937; Fisher's sign flips when
    denominators are equal). p = (1 + at least as extreme) / (1 + permutations), never 0
    (Phipson and Smyth 2010).

    Args:
        first, second: numerators and denominators of the two arms, shape (users, columns) each.
    """
    (above_a, below_a), (above_b, below_b) = first, second
    users, columns = above_a.shape
    if users == 0:
        return [math.nan] * columns
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = _difference(
            above_a.sum(axis=0), below_a.sum(axis=0), above_b.sum(axis=0), below_b.sum(axis=0)
        )
        limit = np.abs(observed) * (1 - 1e-9) - 1e-15
        rng, extreme = np.random.default_rng(seed), np.zeros(columns)
        step = max(1, _CHUNK // users)
        for start in range(0, PERMUTATIONS, step):
            rows = min(step, PERMUTATIONS - start)
            flips = rng.integers(2, size=(rows, users), dtype=np.int8).astype(np.float64)
            above, below = flips @ (above_b - above_a), flips @ (below_b - below_a)
            flipped = _difference(
                above_a.sum(axis=0) + above,
                below_a.sum(axis=0) + below,
                above_b.sum(axis=0) - above,
                below_b.sum(axis=0) - below,
            )
            # A permutation without a ratio cannot speak against chance, so it counts as extreme.
            extreme += (~(np.abs(flipped) < limit)).sum(axis=0)
    p = (1 + extreme) / (1 + PERMUTATIONS)
    return [float(v) if not math.isnan(d) else math.nan for v, d in zip(p, observed, strict=True)]


def _difference(above_a: Floats, below_a: Floats, above_b: Floats, below_b: Floats) -> Floats:
    return above_a / below_a - above_b / below_b


def bootstrap_p_value(difference: Spread) -> float:
    """Two-sided p-value from bootstrap replicates moved to a difference of 0 (Efron and Tibshirani
    1993, 16.4): for figures that are no sum over users."""
    known = difference.replicates[~np.isnan(difference.replicates)]
    if math.isnan(difference.point) or not len(known):
        return math.nan
    extreme = np.abs(known - difference.point) >= abs(difference.point) * (1 - 1e-9)
    return float((1 + np.count_nonzero(extreme)) / (1 + len(known)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979): p-values to compare with the whole level. A NaN
    stays NaN and counts as no test."""
    order = sorted((p, n) for n, p in enumerate(p_values) if not math.isnan(p))
    adjusted, highest = [math.nan] * len(p_values), 0.0
    for rank, (p, n) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        adjusted[n] = highest
    return adjusted


def minimum_detectable(first: tuple[Floats, Floats], second: tuple[Floats, Floats]) -> float:
    """Smallest true difference of two paired ratios that a two-sided 5 % test finds with 80 %
    power: (z_.975 + z_.80) sd / sqrt(n), sd of each user's influence on the difference
    (delta method). NaN where fewer than two users or no variation say nothing.

    Args:
        first, second: numerators and denominators of one figure, shape (users,) each.
    """
    users = len(first[0])
    if users < 2 or not first[1].sum() or not second[1].sum():
        return math.nan
    influence = _influence(*first) - _influence(*second)
    return _detectable(float(influence.std(ddof=1)) / math.sqrt(users))


def _influence(above: Floats, below: Floats) -> Floats:
    ratio = above.sum() / below.sum()
    influence: Floats = (above - ratio * below) / below.mean()
    return influence


def minimum_detectable_of(difference: Spread) -> float:
    """The same from the spread of bootstrap replicates, for figures that are no sum over users."""
    known = difference.replicates[~np.isnan(difference.replicates)]
    return _detectable(float(known.std())) if len(known) and difference.n > 1 else math.nan


def _detectable(standard_error: float) -> float:
    if not standard_error > 1e-12:
        return math.nan
    return float((ndtri(0.975) + ndtri(0.8)) * standard_error)
