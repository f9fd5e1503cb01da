"""Star ratings through ordinal thresholds, so that ones and twos exist.

Partial proportional odds (Peterson and Harrell 1990): P(stars > s) = sigmoid(x . w - t_s - m_s z),
one slope for all thresholds, fitted as one logistic regression over the stacked thresholds; z are
habits of the user, how wide a range of stars is used and how often each, which move every threshold
by itself. A rating between two levels (3.5) counts for both in proportion, so that expected stars
keep the log's mean.
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
        weights: (features,); the last features are the habits, z.
        thresholds: (4,), rising, for stars > 1 ... > 4. moves: (habits, 4), what z adds to
            them.
    """

    weights: Floats
    thresholds: Floats
    moves: Floats

    @classmethod
    def fit(cls, features: Floats, stars: Floats, habits: int = 1) -> Stars:
        """Fit on (n, features) and n ratings; those outside [1, 5] count as the nearest end.

        Args:
            habits: how many of the features, the last ones, move each threshold by itself.
        """
        levels = np.arange(1.0, LEVELS)
        above = np.clip(np.asarray(stars)[:, None] - levels, 0.0, 1.0).ravel()
        n, d = features.shape
        if not above.any() or above.all():
            certain = np.full(LEVELS - 1, -CERTAIN if above.any() else CERTAIN)
            return cls(np.zeros(d), certain, np.zeros((habits, LEVELS - 1)))
        which = np.tile(np.eye(LEVELS - 1), (n, 1))
        each = np.repeat(features, LEVELS - 1, axis=0)
        moved = (each[:, -habits:, None] * which[:, None, :]).reshape(len(each), -1)
        stacked = np.hstack((each, which, moved))
        yes, no = above > 0, above < 1
        fitted = LogisticRegression(C=10.0, fit_intercept=False, max_iter=500).fit(
            np.concatenate((stacked[yes], stacked[no])),
            np.concatenate((np.ones(yes.sum()), np.zeros(no.sum()))),
            sample_weight=np.concatenate((above[yes], 1 - above[no])),
        )
        coefficients = fitted.coef_[0]
        thresholds, moves = np.split(-coefficients[d:], [LEVELS - 1])
        moves = moves.reshape(habits, LEVELS - 1)
        # Regularised one by one, thresholds of hardly used levels may cross: keep them in order.
        return cls(coefficients[:d], np.maximum.accumulate(thresholds), moves)

    def above(self, features: Floats, added: Floats | float = 0.0) -> Floats:
        """P(stars > 1 ... > 4), (n, 4); `added`, (n,), to the log-odds of each."""
        latent = (features * self.weights).sum(axis=1) + added
        thresholds = self.thresholds + self._moved(features)
        # Moved far, thresholds may cross as well.
        thresholds = np.maximum.accumulate(thresholds, axis=1)
        return np.asarray(1 / (1 + np.exp(thresholds - latent[:, None])))

    def _moved(self, features: Floats) -> Floats:
        # Summed row by row, not by BLAS, whose last bits change with the shape of the batch.
        return np.asarray((features[:, -len(self.moves) :, None] * self.moves).sum(axis=1))

    def expected(self, features: Floats, added: Floats | float = 0.0) -> Floats:
        """Expected stars, (n,), in [1, 5]."""
        return np.asarray(1 + self.above(features, added).sum(axis=1))

    def draw(self, features: Floats, uniforms: Floats, added: Floats | float = 0.0) -> Floats:
        """Stars drawn with given uniforms in (0, 1), (n,)."""
        return np.asarray(1.0 + (uniforms[:, None] < self.above(features, added)).sum(axis=1))
