"""The choice model: a logistic regression on pairs, with the sampling of negatives undone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """P(engage) = sigmoid(intercept + weights . (features - centre) / scale).

    Attributes:
        n: pairs it was fitted on; positives among them: `n_positive`.
        negative_rate: share of all negatives that were sampled, in (0, 1].
    """

    weights: Floats
    centre: Floats
    scale: Floats
    intercept: float
    n: int
    n_positive: int
    negative_rate: float

    @classmethod
    def fit(cls, features: Floats, engaged: NDArray[np.bool_], negative_rate: float) -> Choice:
        """Fit on (n, d) features and n labels.

        With negatives kept at rate r, the fitted log-odds exceed the true ones by -log r: the
        offset is taken off the intercept (prior correction, King and Zeng 2001).

        Raises:
            ValueError: there are no positives, or no negatives.
        """
        if engaged.all() or not engaged.any():
            raise ValueError("both engaged and not engaged pairs are needed")
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 1e-12, scale, 1.0)
        model = LogisticRegression(C=1.0, max_iter=1000).fit((features - centre) / scale, engaged)
        return cls(
            weights=model.coef_[0],
            centre=centre,
            scale=scale,
            intercept=float(model.intercept_[0]) + math.log(negative_rate),
            n=len(engaged),
            n_positive=int(engaged.sum()),
            negative_rate=negative_rate,
        )

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds of engagement, (n,); a row's value does not depend on the other rows."""
        # Summed row by row, not by BLAS, whose last bits change with the shape of the batch.
        terms = (features - self.centre) / self.scale * self.weights
        return np.asarray(terms.sum(axis=1) + self.intercept)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))
