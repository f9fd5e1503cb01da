"""Two copies of one recommender: a test at 5 % may call them different in 5 % of the trials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.metrics.significance import paired_p_values
from focusgroup.simulator.noise import derive_seed

from .row import Row, judged

Floats = NDArray[np.float64]

TRIALS = 400
LEVEL = 0.05
LOWEST, HIGHEST = 0.022, 0.078

Copy = Callable[[int], Floats]
"""A recommender met by all users: run seed -> clicks of each user, (users,)."""


def aa_false_positives(
    first: Copy, second: Copy, shown: Floats, *, sample: int, seed: int, trials: int = TRIALS
) -> Row:
    """Row `aa_false_positives`: how often two copies of one recommender are called different.

    Each trial takes `sample` users without replacement (all, if there are fewer), lets them meet
    the first copy in one run and the second in a run with another seed, and applies the paired
    permutation test that `focusgroup compare` applies to click rates. With the seed of the first
    run the second copy must draw what the first did, user by user. The interval is Clopper and
    Pearson's (1934), and `n` counts trials. Where clicks are few the test is coarse, and a sound
    simulator lies somewhat below 5 %.

    Args:
        shown: items shown to each user, (users,), above 0.
    """
    rng = np.random.default_rng(derive_seed(seed, "a/a users"))
    size = min(sample, len(shown))
    clicks = np.zeros((2, size, trials))
    pages = np.zeros((size, trials))
    apart = 0.0
    for trial in range(trials):
        people = rng.choice(len(shown), size, replace=False)
        own = derive_seed(seed, "a/a run", trial, 0)
        one, other = first(own), second(derive_seed(seed, "a/a run", trial, 1))
        apart = max(apart, float(np.abs(one - second(own)).max()))
        clicks[0, :, trial], clicks[1, :, trial] = one[people], other[people]
        pages[:, trial] = shown[people]
    p = paired_p_values((clicks[0], pages), (clicks[1], pages), derive_seed(seed, "a/a test"))
    false = int(np.count_nonzero(np.array(p) < LEVEL))
    interval = binomtest(false, trials).proportion_ci(0.95, "exact")
    share = false / trials
    with_one_seed = (
        "with one seed the difference is exactly 0"
        if apart == 0
        else f"with one seed a user's clicks differ by up to {apart:g}, which should be exactly 0"
    )
    return judged(
        "aa_false_positives", Estimate(share, float(interval.low), float(interval.high), trials),
        passes=LOWEST <= share <= HIGHEST and apart == 0,
        note=f"n counts trials, of {size} users each; {with_one_seed}",
    )  # fmt: skip
