"""Bootstrap over users: the user is what is sampled, never the page or the click.

Every figure of one audience is resampled with the same users in the same replicates, so that the
difference of two arms is a paired one by subtraction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri

from .exposures import Floats
from .metric import Counts, OverCatalogue
from .results import Estimate

RATIO_REPLICATES = 4000
CATALOGUE_REPLICATES = 1000
_CHUNK = 2_000_000


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure and how it varies over samples of users.

    Attributes:
        replicates: the figure in each bootstrap sample, shape (B,).
        jackknife: the figure with each user left out, or None where the replicates were centred.
        n: users who contribute.
    """

    point: float
    replicates: Floats
    jackknife: Floats | None
    n: int

    def minus(self, other: Spread, n: int) -> Spread:
        """The paired difference, on n users; both must come from the same resamples."""
        jackknife = None
        if self.jackknife is not None and other.jackknife is not None:
            jackknife = self.jackknife - other.jackknife
        return Spread(self.point - other.point, self.replicates - other.replicates, jackknife, n)

    def estimate(self, bounds: tuple[float, float] | None = None) -> Estimate:
        """The figure with its 95 % interval: BCa with a jackknife, else percentile (Efron 1987).

        NaN where n is 0; no interval (NaN ends) where n is 1.
        """
        known = self.replicates[~np.isnan(self.replicates)]
        if self.n == 0 or math.isnan(self.point):
            return Estimate(math.nan, math.nan, math.nan, self.n)
        if self.n == 1 or not len(known):
            return Estimate(_tidy(self.point), math.nan, math.nan, self.n)
        tails = np.array([0.025, 0.975])
        if self.jackknife is not None:
            tails = _bca_tails(self.point, known, self.jackknife)
        low, high = np.quantile(known, tails)
        if bounds is not None:
            low, high = np.clip([low, high], *bounds)
        return Estimate(_tidy(self.point), _tidy(float(low)), _tidy(float(high)), self.n)


def _tidy(value: float) -> float:
    """Twelve significant digits: what lies below depends on the order a library adds in."""
    return float(f"{value:.12g}") + 0.0


def _bca_tails(point: float, replicates: Floats, jackknife: Floats) -> Floats:
    """Which quantiles of the replicates bound 95 %: bias-corrected and accelerated, Efron 1987."""
    left_out = jackknife[~np.isnan(jackknife)]
    tolerance = 1e-12 * max(abs(point), 1.0)
    below = np.count_nonzero(replicates < point - tolerance)
    level = np.count_nonzero(np.abs(replicates - point) <= tolerance)
    size = len(replicates)
    if level == size or not len(left_out):
        return np.array([0.025, 0.975])
    share = float(np.clip((below + 0.5 * level) / size, 1 / (size + 1), size / (size + 1)))
    bias = ndtri(share)
    deviation = left_out.mean() - left_out
    spread = (deviation**2).sum()
    skew = (deviation**3).sum() / (6.0 * spread**1.5) if spread > 0 else 0.0
    z = ndtri(np.array([0.025, 0.975]))
    tails: Floats = ndtr(bias + (bias + z) / (1.0 - skew * (bias + z)))
    return tails


def _weights(n: int, replicates: int, seed: int) -> Iterator[Floats]:
    """How often each of n users is drawn in each replicate, in chunks of shape (<= B, n)."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(n, 1))
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        drawn = rng.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def ratio_spreads(numerators: Floats, denominators: Floats, seed: int) -> list[Spread]:
    """Ratios of sums over users, one a column.

    Args:
        numerators, denominators: shape (users, columns); a user with denominator 0 adds nothing.
        seed: the same seed and number of users draw the same samples.
    """
    users, columns = numerators.shape
    if users == 0:
        empty = Spread(math.nan, np.zeros(0), np.zeros(0), 0)
        return [empty] * columns
    above, below = numerators.sum(axis=0), denominators.sum(axis=0)
    parts = [
        (weights @ numerators, weights @ denominators)
        for weights in _weights(users, RATIO_REPLICATES, seed)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        point = above / below
        replicates = np.concatenate([a / b for a, b in parts])
        jackknife = (above - numerators) / (below - denominators)
    counted = np.count_nonzero(denominators, axis=0)
    return [
        Spread(float(point[c]), replicates[:, c], jackknife[:, c], int(counted[c]))
        for c in range(columns)
    ]


def catalogue_spreads(
    counts: sparse.csr_array, n_items: int, measures: Sequence[OverCatalogue], seed: int
) -> list[Spread]:
    """Figures of the catalogue as a whole, over samples of users.

    A bootstrap sample holds only 63 % of the users, so it always covers less of a catalogue than
    the users did. Its spread is right and its centre is not: replicates are moved so that their
    mean is the figure itself.

    Args:
        counts: exposures, shape (users, items).
        n_items: size of the catalogue.
    """
    users = np.count_nonzero(np.diff(counts.indptr))
    counts = counts[:, np.unique(counts.indices)].astype(np.float64)
    n_items = max(n_items, counts.shape[1])
    total: Counts = np.asarray(counts.sum(axis=0)).reshape(1, -1).astype(np.int32)
    found: list[list[Floats]] = [[] for _ in measures]
    if users:
        by_item = counts.T.tocsr()
        step = max(1, _CHUNK // max(counts.shape[1], 1))
        for weights in _weights(counts.shape[0], CATALOGUE_REPLICATES, seed):
            for start in range(0, len(weights), step):
                drawn = (by_item @ weights[start : start + step].T).T
                sample = np.ascontiguousarray(drawn).astype(np.int32)
                for values, measure in zip(found, measures, strict=True):
                    values.append(measure.value(sample, n_items))
    spreads = []
    for values, measure in zip(found, measures, strict=True):
        point = float(measure.value(total, n_items)[0]) if users else math.nan
        replicates = np.concatenate(values) if values else np.zeros(0)
        known = replicates[~np.isnan(replicates)]
        centre = float(known.mean()) if len(known) else math.nan
        spreads.append(Spread(point, replicates - centre + point, None, int(users)))
    return spreads
