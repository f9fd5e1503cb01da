"""What an item has that the features do not see: how often people took it, beyond expectation.

One effect an item, shrunk as strongly as the spread of all effects deserves: a logit with random
intercepts, by Laplace's approximation and EM (Breslow and Clayton 1993).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .choice import sigmoid

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ROUNDS = 50
STEP = 1.0  # log-odds, the most that an effect moves in a round
LEAST = 1e-4  # variance; effects that spread less are none


def effects(groups: Integers, size: int, log_odds: Floats, outcomes: Floats) -> Floats:
    """Effect of each group on log-odds, (size,), with which the outcomes sum up as expected.

    A group of which nothing is known gets what puts that sum right, nearly 0.

    Args:
        groups: (n,), group of each outcome. log_odds: (n,), what is expected without the effects.
        outcomes: (n,), 0 or 1.
    """
    found, variance = np.zeros(size), 0.25
    known = np.bincount(groups, minlength=size) > 0
    if not known.any():
        return found
    for _ in range(ROUNDS):
        chance = sigmoid(log_odds + found[groups])
        slope = np.bincount(groups, outcomes - chance, size) - found / variance
        bend = np.bincount(groups, chance * (1 - chance), size) + 1 / variance
        found = found + np.clip(slope / bend, -STEP, STEP)
        variance = max(LEAST, float((found**2 + 1 / bend)[known].mean()))
    return found + _balance(log_odds + found[groups], outcomes)


def _balance(log_odds: Floats, outcomes: Floats) -> float:
    """What to add to log-odds so that chances sum up to the outcomes; 0 if those are all alike."""
    added = 0.0
    if 0 < outcomes.sum() < len(outcomes):
        for _ in range(ROUNDS):
            chance = sigmoid(log_odds + added)
            slope, bend = float((outcomes - chance).sum()), float((chance * (1 - chance)).sum())
            added += float(np.clip(slope / max(bend, 1e-9), -STEP, STEP))
    return added
