"""Intervals over users: the user is what is sampled, never the question."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from focusgroup.simulator.metrics.results import Estimate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
REPLICATES = 1000


def mean_over_users(values: Floats, seed: int) -> Estimate:
    """Mean of one value a user, (users,), NaN users left out, with its 95 % BCa interval."""
    known = values[~np.isnan(values)]
    n = len(known)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(known.mean())
    if n == 1:
        return Estimate(mean, math.nan, math.nan, 1)
    if np.ptp(known) < 1e-12:
        return Estimate(mean, mean, mean, n)
    found = bootstrap(
        (known,), np.mean, n_resamples=REPLICATES, method="BCa", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high), n)


def resampled(
    figure: Callable[[Integers], float], users: int, seed: int, replicates: int = REPLICATES
) -> Estimate:
    """A figure of all users, with a 95 % percentile interval over samples of them.

    Args:
        figure: given rows of users, drawn with replacement, the figure of that sample; NaN where
            it has none.
        users: how many there are.
    """
    if users == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    point = figure(np.arange(users))
    rng = np.random.default_rng(seed)
    drawn = np.array([figure(rng.integers(users, size=users)) for _ in range(replicates)])
    known = drawn[~np.isnan(drawn)]
    if math.isnan(point) or not len(known):
        return Estimate(point, math.nan, math.nan, users)
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(point, float(low), float(high), users)
