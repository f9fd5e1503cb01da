"""The worse the page, the less it is worth: random items mixed into a good page, dose by dose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .over_users import mean_over_users
from .row import Row, judged, not_known

Floats = NDArray[np.float64]

DOSES = (0.0, 0.25, 0.5, 0.75, 1.0)


def dose_response(
    simulated: Floats, real: Floats, seed: int, doses: Sequence[float] = DOSES
) -> Row:
    """Row `dose_response`: share of the steps from dose to dose at which the value falls.

    A step falls if the 95 % interval of the users' paired differences lies below 0; the row passes
    if all do. The interval of the row goes from these steps to all that may fall: those whose
    interval does not lie above 0.

    Args:
        simulated: (users, doses), what the page with each dose is worth to each user; users with
            a NaN are left out.
        real: the same in truth, (users, doses): the baseline.
    """
    answered = ~np.isnan(simulated).any(axis=1)
    if not answered.any():
        return not_known("dose_response", "no user answered everything")
    values = simulated[answered]
    found = _falling(values, seed)
    left_out = int((~answered).sum())
    curve = ", ".join(
        f"{dose:.0%}: {mean:.3g}" for dose, mean in zip(doses, values.mean(axis=0), strict=True)
    )
    return judged(
        "dose_response", found, passes=found.mean == 1.0, baselines={"real": _falling(real, seed)},
        note=f"value by share of random items: {curve}"
        + (f"; {left_out} users left out: a question failed" if left_out else ""),
    )  # fmt: skip


def _falling(values: Floats, seed: int) -> Estimate:
    steps = np.diff(values, axis=1)
    found = [
        mean_over_users(steps[:, step], derive_seed(seed, "step", step))
        for step in range(steps.shape[1])
    ]
    falls = float(np.mean([step.high < 0 for step in found]))
    may_fall = float(np.mean([step.low < 0 for step in found]))
    return Estimate(falls, falls, may_fall, len(steps))
