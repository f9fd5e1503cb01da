"""Star ratings through ordinal thresholds, so that ones and twos exist.

Proportional odds (McCullagh 1980): P(stars > s) = sigmoid(x . w - t_s), one slope for all
thresholds, fitted as one logistic regression over the stacked thresholds. A rating between two
levels (3.5) counts for both in proportion, so that expected stars keep the log's mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]
LEVELS = 5
CERTAIN = 20.0  # log-odds of a threshold that every rating lies above, or below


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
        """Fit on (n, features) and n ratings; those outside [1, 5] count as the nearest end."""
        levels = np.arange(1.0, LEVELS)
        above = np.clip(np.asarray(stars)[:, None] - levels, 0.0, 1.0).ravel()
        n, d = features.shape
        if not above.any() or above.all():
            return cls(np.zeros(d), np.full(LEVELS - 1, -CERTAIN if above.any() else CERTAIN))
        stacked = np.hstack(
            (np.repeat(features, LEVELS - 1, axis=0), np.tile(np.eye(LEVELS - 1), (n, 1)))
        )
        yes, no = above > 0, above < 1
        fitted = LogisticRegression(C=10.0, fit_intercept=False, max_iter=500).fit(
            np.concatenate((stacked[yes], stacked[no])),
            np.concatenate((np.ones(yes.sum()), np.zeros(no.sum()))),
            sample_weight=np.concatenate((above[yes], 1 - above[no])),
        )
        coefficients = fitted.coef_[0]
        # Regularised one by one, thresholds of hardly used levels may cross: keep them in order.
        return cls(coefficients[:d], np.maximum.accumulate(-coefficients[d:]))

    def above(self, features: Floats, added: Floats | float = 0.0) -> Floats:
        """P(stars > 1 ... > 4), (n, 4); `added`, (n,), to the log-odds of each."""
        latent = (features * self.weights).sum(axis=1) + added
        return np.asarray(1 / (1 + np.exp(self.thresholds[None, :] - latent[:, None])))

    def expected(self, features: Floats, added: Floats | float = 0.0) -> Floats:
        """Expected stars, (n,), in [1, 5]."""
        return np.asarray(1 + self.above(features, added).sum(axis=1))

    def draw(self, features: Floats, uniforms: Floats, added: Floats | float = 0.0) -> Floats:
        """Stars drawn with given uniforms in (0, 1), (n,)."""
        return np.asarray(1.0 + (uniforms[:, None] < self.above(features, added)).sum(axis=1))
