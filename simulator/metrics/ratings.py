"""Stars given."""

from __future__ import annotations

import numpy as np

from .cells import Cells, Sums, flags, floats, ints
from .metric import Better, Metric, Needs, Ratio, Unit


def _mean_stars(cells: Cells) -> Sums:
    rows = cells.exposures[flags(cells.exposures, "answered")]
    stars, cell = floats(rows, "stars"), ints(rows, "cell")
    return Sums(cells.sum(cell, np.nan_to_num(stars)), cells.sum(cell, ~np.isnan(stars)))


def _mean_stars_expected(cells: Cells) -> Sums:
    """Stars expected of each item, weighted by the chance of the click that comes before a rating.

    Unbiased where a click is rated with the same probability whatever the item.
    """
    rows = cells.exposures[flags(cells.exposures, "answered")]
    chance, stars, cell = floats(rows, "p_click"), floats(rows, "e_stars"), ints(rows, "cell")
    weighted = np.where(chance == 0, 0.0, chance * stars)
    return Sums(cells.sum(cell, weighted), cells.sum(cell, chance))


RATINGS = (
    Metric(
        "mean_stars",
        "mean stars",
        "Mean of the ratings given, 1 to 5 stars.",
        Better.HIGHER,
        Unit.STARS,
        Ratio(_mean_stars, _mean_stars_expected),
        Needs.RATINGS,
        bounds=(1.0, 5.0),
    ),
)
