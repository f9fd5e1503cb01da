"""The choice model: a logistic regression on pairs, with the sampling of negatives undone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RIDGE = 5.0  # on weights of standardised features
STEPS = 100


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
    def fit(cls, features: Floats, engaged: NDArray[np.bool_], kept: Floats | float) -> Choice:
        """Fit on (n, d) features and n labels.

        Args:
            kept: the rate at which negatives like this pair were kept, (n,) or one for all, in
                (0, 1]. It may depend on the features alone. Log-odds in the sample exceed the true
                ones by -log of it, so that is held fixed as an offset (King and Zeng 2001, by
                stratum), and what is learned are the true ones.

        Raises:
            ValueError: there are no positives, or no negatives.
        """
        if engaged.all() or not engaged.any():
            raise ValueError("both engaged and not engaged pairs are needed")
        rate = np.broadcast_to(np.asarray(kept, dtype=np.float64), engaged.shape)
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 1e-12, scale, 1.0)
        standard = np.column_stack((np.ones(len(features)), (features - centre) / scale))
        fitted = _newton(standard, engaged.astype(np.float64), -np.log(rate))
        n_negative = np.count_nonzero(~engaged)
        return cls(
            weights=fitted[1:],
            centre=centre,
            scale=scale,
            intercept=float(fitted[0]),
            n=len(engaged),
            n_positive=int(engaged.sum()),
            negative_rate=float(n_negative / (1 / rate[~engaged]).sum()),
        )

    def beside(self, column: int) -> Choice:
        """The same, with a feature that never varied when it was fitted added as it is."""
        return replace(
            self, weights=np.where(np.arange(len(self.weights)) == column, self.scale, self.weights)
        )

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds of engagement, (n,); a row's value does not depend on the other rows."""
        # Summed row by row, not by BLAS, whose last bits change with the shape of the batch.
        terms = (features - self.centre) / self.scale * self.weights
        return np.asarray(terms.sum(axis=1) + self.intercept)


def _newton(features: Floats, engaged: Floats, offset: Floats) -> Floats:
    """Ridge logistic regression with an offset; the first column is the intercept, not shrunk."""
    ridge = np.full(features.shape[1], RIDGE)
    ridge[0] = 1e-9
    share = engaged.mean()
    weights = np.zeros(features.shape[1])
    weights[0] = np.log(share / (1 - share)) - offset.mean()

    def loss(at: Floats) -> float:
        log_odds = features @ at + offset
        return float((np.logaddexp(0, log_odds) - engaged * log_odds).sum() + ridge @ at**2 / 2)

    now = loss(weights)
    for _ in range(STEPS):
        chance = sigmoid(features @ weights + offset)
        slope = features.T @ (chance - engaged) + ridge * weights
        bend = (features.T * (chance * (1 - chance))) @ features + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        then = loss(weights - step)
        while then > now and np.abs(step).max() > 1e-9:
            step /= 2
            then = loss(weights - step)
        if not then < now:
            break
        weights, gain, now = weights - step, now - then, then
        if gain < 1e-10 * abs(now):
            break
    return weights


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))
