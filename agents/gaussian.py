"""What a user would rate an item, given what the user rated: a conditional Gaussian.

Ratings of a user, above the items' means, are jointly Gaussian with covariance L L' + diag(noise):
factor analysis with missing values, by EM (Rubin and Thayer 1982), loadings shrunk to those of an
item that only shares what all items share. So the covariance is known from as many pairs of ratings
as there are, is positive, and costs the same for a hundred items and for a hundred thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FACTORS = 8
ROUNDS = 30
LOADING_PRECISION = 100.0  # of the prior of loadings
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
        d = max(1, min(FACTORS, items - 1, given.shape[0] - 1))
        count = np.asarray(given.sum(axis=0)).ravel()
        squares = np.asarray(above.multiply(above).sum(axis=0)).ravel()
        level = max(float(squares.sum() / count.sum()), 1e-3)
        # The first factor is what all items share: the user's generosity.
        shared = np.zeros(d)
        shared[0] = 0.5 * np.sqrt(level)
        loadings = shared + np.random.default_rng(seed).normal(0, 0.1 * np.sqrt(level), (items, d))
        noise = np.full(items, level)
        prior = LOADING_PRECISION * np.eye(d)
        across, down = sp.csr_matrix(given.T), sp.csr_matrix(above.T)
        for _ in range(ROUNDS):
            model = cls(loadings, noise)
            mean, spread = model._posterior(above, given)
            second = (spread + mean[:, :, None] * mean[:, None, :]).reshape(len(mean), -1)
            moments = np.asarray(across @ second).reshape(items, d, d)
            shared_by = np.asarray(down @ mean)
            right = shared_by / noise[:, None] + LOADING_PRECISION * shared
            loadings = np.linalg.solve(moments / noise[:, None, None] + prior, right[:, :, None])
            loadings = loadings[:, :, 0]
            left = squares - 2 * (shared_by * loadings).sum(axis=1)
            left += ((moments @ loadings[:, :, None])[:, :, 0] * loadings).sum(axis=1)
            level = max(float(left.sum() / count.sum()), 1e-3)
            noise = (np.maximum(left, 0.0) + NOISE_WEIGHT * level) / (count + NOISE_WEIGHT)
            shared[0] = float(count @ loadings[:, 0] / count.sum())
        return cls(loadings, noise)

    def users(self, above: sp.csr_matrix, given: sp.csr_matrix) -> Floats:
        """Users given their ratings: (users, d), times `loadings` their expected ratings."""
        return self._posterior(above, given)[0]

    def _posterior(self, above: sp.csr_matrix, given: sp.csr_matrix) -> tuple[Floats, Floats]:
        """Mean (users, d) and covariance (users, d, d) of users' factors given their ratings."""
        items, d = self.loadings.shape
        precise = self.loadings / self.noise[:, None]
        outer = (precise[:, :, None] * self.loadings[:, None, :]).reshape(items, d * d)
        precision = np.asarray(given @ outer).reshape(-1, d, d) + np.eye(d)
        spread = np.asarray(np.linalg.inv(precision), dtype=np.float64)
        pull = np.asarray(above @ precise)
        return (spread * pull[:, None, :]).sum(axis=2), spread
