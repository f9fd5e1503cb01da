"""Star ratings through ordinal thresholds, so that ones and twos exist.

Proportional odds (McCullagh 1980): P(stars > s) = sigmoid(x . w - t_s), one slope for all
thresholds, fitted as one logistic regression over the stacked thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]
LEVELS = 5


@dataclass(frozen=True, slots=True)
class Stars:
    """Fitted thresholds.

    Attributes:
        weights: (features,). thresholds: (4,), rising, for stars > 1 ... > 4.
    """

    weights: Floats
    thresholds: Floats

    @classmethod
    def fit(cls, features: Floats, stars: Floats) -> Stars:
        """Fit on (n, features) and n ratings in [1, 5]; halves round up."""
        level = np.floor(np.asarray(stars) + 0.5)
        n, d = features.shape
        stacked = np.zeros((n * (LEVELS - 1), d + LEVELS - 1))
        above = np.zeros(n * (LEVELS - 1))
        for s in range(1, LEVELS):
            block = slice((s - 1) * n, s * n)
            stacked[block, :d] = features
            stacked[block, d + s - 1] = 1.0
            above[block] = level > s
        fitted = LogisticRegression(C=10.0, fit_intercept=False, max_iter=500).fit(stacked, above)
        coefficients = fitted.coef_[0]
        # Regularised one by one, thresholds of hardly used levels may cross: keep them in order.
        return cls(coefficients[:d], np.maximum.accumulate(-coefficients[d:]))

    def above(self, features: Floats) -> Floats:
        """P(stars > 1 ... > 4), (n, 4)."""
        latent = (features * self.weights).sum(axis=1)
        return np.asarray(1 / (1 + np.exp(self.thresholds[None, :] - latent[:, None])))

    def expected(self, features: Floats) -> Floats:
        """Expected stars, (n,), in [1, 5]."""
        return np.asarray(1 + self.above(features).sum(axis=1))

    def draw(self, features: Floats, uniforms: Floats) -> Floats:
        """Stars drawn with given uniforms in (0, 1), (n,)."""
        return np.asarray(1.0 + (uniforms[:, None] < self.above(features)).sum(axis=1))
