"""What a synthetic log is worth for training: train on synthetic, test on real."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.metrics.results import Estimate

from .over_users import resampled
from .row import Row, judged, not_known

Floats = NDArray[np.float64]

PASS = 0.8
RANDOM_TAKES = "random_takes"


def tstr_ratio(
    synthetic: Floats, real: Floats, others: Mapping[str, Floats], seed: int, note: str = ""
) -> Row:
    """Row `tstr_ratio`: accuracy after training on the synthetic log, per that on real log.

    Esteban, Hyland, Rätsch 2017, "Real-valued (Medical) Time Series Generation with Recurrent
    Conditional GANs" (train on synthetic, test on real). A ratio of means, paired by user.

    Args:
        synthetic, real: accuracy for each user tested, (users,); NaN where a user has nothing to
            be found.
        others: the same for baselines, by name. The log of users who take at random of what they
            are shown, `RANDOM_TAKES`, is to be beaten by the lower end where it is there: long or
            well chosen lists teach much by themselves.
    """
    known = ~np.isnan(real) & ~np.isnan(synthetic)
    below = real[known]
    if not below.sum() > 0:
        return not_known("tstr_ratio", "nothing was found even after training on the real log")

    def ratio(values: Floats) -> Estimate:
        above = values[known]

        def figure(rows: NDArray[np.int64]) -> float:
            total = float(below[rows].sum())
            return float(above[rows].sum()) / total if total > 0 else float("nan")

        return resampled(figure, len(below), seed)

    found = ratio(synthetic)
    baselines = {name: ratio(values) for name, values in others.items()}
    beaten = RANDOM_TAKES not in baselines or found.low > baselines[RANDOM_TAKES].mean
    return judged(
        "tstr_ratio", found, passes=found.mean >= PASS and beaten, baselines=baselines, note=note
    )
