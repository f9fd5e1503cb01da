"""A logit beside what is known already: the slopes of new features, given log-odds that stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .choice import sigmoid

Floats = NDArray[np.float64]
PENALTY = 1.0


def slopes_beside(known: Floats, features: Floats, outcomes: Floats) -> Floats:
    """Slopes w, (d,), of P(outcome) = sigmoid(known + intercept + features . w).

    Penalised likelihood: sum of log-losses + |w|^2 / 2, the intercept free.

    Args:
        known: (n,) log-odds that count as they are (an offset). features: (n, d).
        outcomes: (n,) in [0, 1]; one between 0 and 1 counts for both in proportion. Not all 0, nor
            all 1: the intercept would have no end.
    """
    design = np.column_stack((np.ones(len(known)), features))
    penalty = np.full(design.shape[1], PENALTY)
    penalty[0] = 0.0

    def loss(w: Floats) -> float:
        x = known + design @ w
        return float((np.logaddexp(0.0, x) - outcomes * x).sum() + (penalty * w * w).sum() / 2)

    def slope(w: Floats) -> Floats:
        return np.asarray(design.T @ (sigmoid(known + design @ w) - outcomes) + penalty * w)

    def curvature(w: Floats) -> Floats:
        p = sigmoid(known + design @ w)
        return np.asarray((design.T * (p * (1 - p))) @ design + np.diag(penalty))

    start = np.zeros(design.shape[1])
    found = minimize(loss, start, jac=slope, hess=curvature, method="trust-exact")
    return np.asarray(found.x[1:])
