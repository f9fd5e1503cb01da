"""Samples of users for figures made of sums over users, many at once."""

from __future__ import annotations

import math

import numpy as np

from focusgroup.simulator.metrics.results import Estimate

from .exam import Floats
from .over_users import REPLICATES

_CHUNK = 4_000_000


def user_weights(users: int, seed: int, replicates: int = REPLICATES) -> list[Floats]:
    """How often each user is drawn in each sample, (samples, users), cut into chunks of rows."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(users, 1))
    chunks = []
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        drawn = rng.integers(users, size=(rows, users)) + np.arange(rows)[:, None] * users
        counts = np.bincount(drawn.ravel(), minlength=rows * users)
        chunks.append(counts.reshape(rows, users).astype(np.float64))
    return chunks


def resampled_sums(sums: Floats, seed: int, replicates: int = REPLICATES) -> Floats:
    """Totals of samples of users, (samples, columns), from each user's sums, (users, columns).

    The same seed and number of users draw the same samples.
    """
    return np.concatenate([w @ sums for w in user_weights(len(sums), seed, replicates)])


def between(point: float, replicates: Floats, n: int) -> Estimate:
    """A figure with its 95 % percentile interval; no interval from fewer than two users."""
    point = float(point)
    known = replicates[~np.isnan(replicates)]
    if math.isnan(point) or n < 2 or not len(known):
        return Estimate(point, math.nan, math.nan, n)
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(point, float(low), float(high), n)


def around(point: float, replicates: Floats, n: int) -> Estimate:
    """A distance, never below 0, with its 95 % interval.

    A sample of the users is noisier than all of them, and noise only adds to a distance: its
    spread over samples is right and its centre is too high. So samples are moved until their mean
    is the figure itself.
    """
    known = replicates[~np.isnan(replicates)]
    moved = known + (point - known.mean()) if len(known) else known
    return between(point, np.maximum(moved, 0.0), n)


def ratio_over_users(above: Floats, below: Floats, seed: int) -> Estimate:
    """Ratio of sums of one number a user each, (users,); NaN where the lower sum is 0."""
    if not len(above) or not below.sum():
        return Estimate(math.nan, math.nan, math.nan, len(above))
    totals = resampled_sums(np.column_stack((above, below)), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = np.where(totals[:, 1] == 0, np.nan, totals[:, 0] / totals[:, 1])
    return between(float(above.sum() / below.sum()), replicates, len(above))
