"""In which manner a user chooses and rates, whatever the items are: read off the user's history.

How far stars spread, which of them are used, whether they rise with popularity, and how popular the
things are that the user chose. People differ in all of these more than taste accounts for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHRINK = 5.0  # pseudo-ratings, or pseudo-items, of the usual kind
LEVELS = np.arange(1.0, 5.0)
FEWEST, MOST = 1.0, 1e4  # for `steadiness`


def spread(above: sp.csr_matrix, given: sp.csr_matrix) -> tuple[Floats, Floats]:
    """Of each user's ratings: summed squares around the user's mean, and the number."""
    count = np.asarray(given.sum(axis=1), dtype=np.float64).ravel()
    total = np.asarray(above.sum(axis=1)).ravel()
    squares = np.asarray(above.multiply(above).sum(axis=1)).ravel()
    return np.asarray(np.maximum(0.0, squares - total**2 / np.maximum(1.0, count))), count


def slope(above: sp.csr_matrix, given: sp.csr_matrix, of_item: Floats) -> tuple[Floats, Floats]:
    """Of each user's ratings: summed products with something `of_item`, and its summed squares.

    Both around the user's means; their ratio is the least squares slope.
    """
    count = np.maximum(1.0, np.asarray(given.sum(axis=1)).ravel())
    middle = np.asarray(given @ of_item) / count
    together = np.asarray(above @ of_item) - middle * np.asarray(above.sum(axis=1)).ravel()
    return together, np.maximum(0.0, np.asarray(given @ of_item**2) - count * middle**2)


def steadiness(above: sp.csr_matrix, given: sp.csr_matrix, of_item: Floats) -> float:
    """Noise of a rating / variance of users' slopes: added to squares, it shrinks a slope best.

    By the method of moments; large where users' slopes do not differ.
    """
    together, own = slope(above, given, of_item)
    squares, count = spread(above, given)
    sloped = (own > 1e-9) & (count > 2)
    left = squares[sloped] - together[sloped] ** 2 / own[sloped]  # around each user's own line
    noise = left.sum() / max(1.0, (count[sloped] - 2).sum())
    differ = (together**2 - noise * own).sum() / max(1e-9, (own**2).sum())
    return float(np.clip(noise / max(differ, 1e-9), FEWEST, MOST))


def over(stars: Floats) -> Floats:
    """How far each rating is above 1, 2, 3, 4 stars, (n, 4), in [0, 1]."""
    return np.asarray(np.clip(stars[:, None] - LEVELS, 0.0, 1.0))


def scale_use(ratings: Sequence[Sequence[tuple[str, float]]], usual: Floats) -> Floats:
    """How much more often than `usual`, (4,), each user gives more than 1 ... 4 stars: (users, 4),
    shrunk."""
    sizes = np.array([len(own) for own in ratings], dtype=np.int64)
    users = np.repeat(np.arange(len(ratings)), sizes)
    more = over(np.array([stars for own in ratings for _, stars in own], dtype=np.float64)) - usual
    totals = [np.bincount(users, column, len(ratings)) for column in more.T]
    return np.asarray(np.column_stack(totals) / (sizes[:, None] + SHRINK))


def level(had: sp.csr_matrix, of_item: Floats) -> Floats:
    """Mean over the items each user had of something `of_item`, (users,), shrunk to 0."""
    return np.asarray((had @ of_item) / (np.diff(had.indptr) + SHRINK))
