"""What a user would rate an item, given what the user rated: a conditional Gaussian.

Ratings of a user, above the items' means, are jointly Gaussian with covariance L L' + diag(noise):
factor analysis with missing values, by EM (Rubin and Thayer 1982). Loadings are shrunk to those of
an item that has only what all items share, as strongly as the loadings found deserve: variational
Bayes with automatic relevance of factors (Bishop 1999). So the covariance is known from as many
pairs of ratings as there are, is positive, and costs the same for few items and for many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEWEST, MOST = 8, 16  # factors
RATINGS_PER_FACTOR = 4  # of a user or an item, on average
ROUNDS = 30
FIRST_PRECISION = 100.0  # of the prior of loadings, before any are known
NOISE_WEIGHT = 10.0  # pseudo-ratings with the mean noise, per item


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Covariance of the ratings of one user.

    Attributes:
        loadings: (items, d). noise: (items,), variance of a rating that no other item shares.
    """

    loadings: Floats
    noise: Floats

    @classmethod
    def fit(cls, above: sp.csr_matrix, given: sp.csr_matrix, seed: int) -> Gaussian:
        """Learn from ratings above their items' means.

        Args:
            above: (users, items). given: (users, items), 1 where there is a rating.
        """
        items = above.shape[1]
        if given.nnz == 0:
            return cls(np.zeros((items, 1)), np.ones(items))
        affordable = given.nnz / sum(given.shape) / RATINGS_PER_FACTOR
        wanted = min(MOST, max(FEWEST, round(affordable)))
        d = max(1, min(wanted, items - 1, given.shape[0] - 1))
        count = np.asarray(given.sum(axis=0)).ravel()
        squares = np.asarray(above.multiply(above).sum(axis=0)).ravel()
        level = max(float(squares.sum() / count.sum()), 1e-3)
        # The first factor is what all items share: the user's generosity.
        shared = np.zeros(d)
        shared[0] = 0.5 * np.sqrt(level)
        loadings = shared + np.random.default_rng(seed).normal(0, 0.1 * np.sqrt(level), (items, d))
        doubt = np.zeros((items, d, d))  # covariance of each item's loadings
        noise, precision = np.full(items, level), np.full(d, FIRST_PRECISION)
        across, down = sp.csr_matrix(given.T), sp.csr_matrix(above.T)
        for _ in range(ROUNDS):
            outer = loadings[:, :, None] * loadings[:, None, :] + doubt
            mean, spread = _posterior(loadings, noise, outer, above, given)
            second = (spread + mean[:, :, None] * mean[:, None, :]).reshape(len(mean), -1)
            moments = np.asarray(across @ second).reshape(items, d, d)
            pull = np.asarray(down @ mean)
            doubt = np.linalg.inv(moments / noise[:, None, None] + np.diag(precision))
            right = pull / noise[:, None] + precision * shared
            loadings = (doubt @ right[:, :, None])[:, :, 0]
            shared[0] = float(count @ loadings[:, 0] / count.sum())
            spare = (loadings - shared) ** 2 + np.diagonal(doubt, axis1=1, axis2=2)
            precision = items / spare.sum(axis=0)
            outer = loadings[:, :, None] * loadings[:, None, :] + doubt
            left = squares - 2 * (pull * loadings).sum(axis=1) + (moments * outer).sum(axis=(1, 2))
            level = max(float(left.sum() / count.sum()), 1e-3)
            noise = (np.maximum(left, 0.0) + NOISE_WEIGHT * level) / (count + NOISE_WEIGHT)
        return cls(loadings, noise)

    def users(self, above: sp.csr_matrix, given: sp.csr_matrix) -> Floats:
        """Users given their ratings: (users, d), times `loadings` their expected ratings."""
        rated = np.unique(given.indices)  # of a large catalogue, a few users rated little
        loadings = self.loadings[rated]
        outer = loadings[:, :, None] * loadings[:, None, :]
        return _posterior(loadings, self.noise[rated], outer, above[:, rated], given[:, rated])[0]


def _posterior(
    loadings: Floats, noise: Floats, outer: Floats, above: sp.csr_matrix, given: sp.csr_matrix
) -> tuple[Floats, Floats]:
    """Mean (users, d) and covariance (users, d, d) of users' factors given their ratings.

    Args:
        outer: (items, d, d), expected products of loadings.
    """
    items, d = loadings.shape
    each = (outer / noise[:, None, None]).reshape(items, d * d)
    precision = np.asarray(given @ each).reshape(-1, d, d) + np.eye(d)
    spread = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    pull = np.asarray(above @ (loadings / noise[:, None]))
    return (spread * pull[:, None, :]).sum(axis=2), spread
