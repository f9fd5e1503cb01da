"""Are recommenders ranked as real people rank them?

Every function takes values (users, recommenders): what a recommender's page was worth to a user,
by the simulator or in truth. Truth is the mean over all real users. A simulator is asked with a
sample of them, drawn with replacement, again and again: what is shown is what one run with that
many users has to expect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .over_users import resampled
from .row import Row, judged, not_known

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

SAMPLES = 200
REPLICATES = 1000
ITEM_MEANS = "item_means"
CEILING = "real_against_real"
PASS, PASS_LOW, STRONG = 0.7, 0.4, 0.85
DIRECTION, SWAP = 0.8, 0.8
_DECIMALS = 12  # sums in another order differ below this, and must not break a tie


def kendall(first: Floats, second: Floats) -> Floats:
    """Kendall's tau-b along the last axis, in [-1, 1] (Kendall 1945); the others broadcast.

    0 where all of one side are tied: a ranking that says nothing agrees with nothing.
    """
    a, b = _signs(first), _signs(second)
    agreed = (a * b).sum(axis=-1)
    size = np.sqrt(np.abs(a).sum(axis=-1) * np.abs(b).sum(axis=-1))
    return np.asarray(np.divide(agreed, size, out=np.zeros(np.shape(size)), where=size > 0))


def ranking_tau(
    simulated: Sequence[Floats],
    real: Floats,
    sample: int,
    yardsticks: Mapping[str, Floats],
    seed: int,
) -> Row:
    """Row `ranking_tau`: mean tau of one run with `sample` users against the truth.

    Args:
        simulated: (users, recommenders) for each seed of draws; a user with a NaN in any of them
            failed and is left out of samples, though not out of the truth.
        real: (users, recommenders), complete.
        yardsticks: the same of others, by name; `ITEM_MEANS` is to be beaten where it is there.

    The interval holds 95 % of single runs (one sample of users, one seed of draws). The baseline
    `CEILING` ranks by the real values of the same samples.
    """
    answered = _answered(simulated)
    if not answered.any():
        return not_known("ranking_tau", "no user answered everything")
    weights = _samples(answered, sample, seed)
    truth = real.mean(axis=0)

    def tau(values: Sequence[Floats]) -> Estimate:
        found = np.concatenate([kendall(weights @ np.nan_to_num(v), truth) for v in values])
        return _over_runs(found, int(answered.sum()))

    found = tau(simulated)
    baselines = {CEILING: tau([real]), **{name: tau([v]) for name, v in yardsticks.items()}}
    beaten = ITEM_MEANS not in baselines or found.mean > baselines[ITEM_MEANS].mean
    passes = found.mean >= PASS and found.low >= PASS_LOW and beaten
    return judged(
        "ranking_tau", found, passes=passes, strong=found.mean >= STRONG, baselines=baselines,
        note=_note(simulated, real, answered, sample),
    )  # fmt: skip


def ranking_direction(
    simulated: Sequence[Floats],
    real: Floats,
    sample: int,
    yardsticks: Mapping[str, Floats],
    seed: int,
) -> Row:
    """Row `ranking_direction`: share of really different pairs that one run puts the right way.

    Arguments as in `ranking_tau`, and the same samples. A pair is really different if the paired
    95 % bootstrap interval over all real users excludes 0. A simulated tie is half right.
    """
    answered = _answered(simulated)
    if not answered.any():
        return not_known("ranking_direction", "no user answered everything")
    separated = separated_pairs(real, derive_seed(seed, "separated"))
    if not separated.any():
        return not_known(
            "ranking_direction",
            f"none of {len(separated)} pairs of recommenders differs on {len(real)} real users",
        )
    weights = _samples(answered, sample, seed)
    truth = _signs(real.mean(axis=0))[separated]

    def share(values: Sequence[Floats]) -> Estimate:
        signs = [_signs(weights @ np.nan_to_num(v))[:, separated] for v in values]
        found = np.concatenate([(1 + s * truth).mean(axis=1) / 2 for s in signs])
        return _over_runs(found, int(answered.sum()))

    found = share(simulated)
    baselines = {CEILING: share([real]), **{name: share([v]) for name, v in yardsticks.items()}}
    pairs = f"{int(separated.sum())} of {len(separated)} pairs are really different; "
    return judged(
        "ranking_direction", found, passes=found.mean >= DIRECTION, baselines=baselines,
        note=pairs + _note(simulated, real, answered, sample),
    )  # fmt: skip


def separated_pairs(real: Floats, seed: int) -> Booleans:
    """Which pairs of recommenders differ: the paired 95 % interval over users excludes 0.

    Returns:
        (pairs,), in the order (0, 1), (0, 2), ... (1, 2), ...
    """
    users = len(real)
    weights = np.random.default_rng(seed).multinomial(
        users, np.full(users, 1 / users), size=REPLICATES
    )
    means = (weights / users) @ real
    i, j = np.triu_indices(real.shape[1], 1)
    low, high = np.quantile(np.round(means[:, i] - means[:, j], _DECIMALS), [0.025, 0.975], axis=0)
    return np.asarray((low > 0) | (high < 0))


def model_swap_tau(first: Floats, second: Floats, seed: int) -> Row:
    """Row `model_swap_tau`: tau between two simulators' rankings by the same users.

    Args:
        first, second: (users, recommenders); users with a NaN in either are left out.
    """
    answered = _answered([first, second])
    left_out = int((~answered).sum())
    if not answered.any():
        return not_known("model_swap_tau", "no user answered everything to both models")
    one, other = first[answered], second[answered]
    found = resampled(
        lambda rows: float(kendall(one[rows].mean(axis=0), other[rows].mean(axis=0))),
        len(one),
        seed,
    )
    note = f"{left_out} users left out: a question failed" if left_out else ""
    return judged("model_swap_tau", found, passes=found.mean >= SWAP, note=note)


def _signs(values: Floats) -> Floats:
    """Who is ahead in each pair, along the last axis: 1, 0 or -1."""
    i, j = np.triu_indices(values.shape[-1], 1)
    return np.asarray(np.sign(np.round(values[..., i] - values[..., j], _DECIMALS)))


def _answered(simulated: Sequence[Floats]) -> Booleans:
    return np.asarray(np.all([~np.isnan(v).any(axis=1) for v in simulated], axis=0))


def _samples(answered: Booleans, sample: int, seed: int) -> Floats:
    """Share of each user in each sample, (samples, users)."""
    chance = answered / answered.sum()
    return np.random.default_rng(seed).multinomial(sample, chance, size=SAMPLES) / sample


def _over_runs(found: Floats, users: int) -> Estimate:
    low, high = np.quantile(found, [0.025, 0.975])
    mean = math.fsum(found.tolist()) / len(found)
    return Estimate(mean, float(low), float(high), users)


def _note(simulated: Sequence[Floats], real: Floats, answered: Booleans, sample: int) -> str:
    left_out = int((~answered).sum())
    note = f"{real.shape[1]} recommenders, {SAMPLES} samples of {sample} users" + (
        f" x {len(simulated)} seeds of draws" if len(simulated) > 1 else ""
    )
    return note + (f"; {left_out} users left out: a question failed" if left_out else "")
