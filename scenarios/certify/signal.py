"""A personal signal no simulated user has seen: item to item neighbours of the training users."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from focusgroup.simulator.fidelity import Exam

from .ground import Ground
from .paper import places

Floats = NDArray[np.float64]
SHRINK = 10.0  # added to the norms: pairs of items that few users had count for little
_CHUNK = 200_000


def personal_signal(ground: Ground, exam: Exam) -> Floats:
    """How well each question's item goes with the history of the user who is asked, (n,).

    Cosine of item columns over the training users, summed over the user's history. Where the log
    holds what was shown, a column holds stars (or likes: 1, rejections: 0) above the item's and the
    user's mean, and so does the history; elsewhere it holds ones.
    """
    position = {item_id: n for n, item_id in enumerate(ground.catalog)}
    training = _matrix(ground, ground.training, position)
    known = ground.history[ground.history["user_id"].isin(set(exam.user_ids))]
    history = _matrix(ground, known, position, exam.user_ids)
    norms = np.sqrt(np.asarray(training.multiply(training).sum(axis=0)).ravel()) + SHRINK
    columns = sp.csr_matrix(training.multiply(1 / norms)).T.tocsr()
    # Users in the space of training users: history -> items -> training users.
    folded = np.asarray((history @ columns).todense())
    found = np.empty(len(exam))
    for start in range(0, len(exam), max(1, _CHUNK * 50 // max(1, folded.shape[1]))):
        part = slice(start, start + max(1, _CHUNK * 50 // max(1, folded.shape[1])))
        items = columns[exam.items[part]]
        found[part] = np.asarray(items.multiply(folded[exam.users[part]]).sum(axis=1)).ravel()
    return found


def _matrix(
    ground: Ground,
    rows: pd.DataFrame,
    position: dict[str, int],
    user_ids: tuple[str, ...] | None = None,
) -> sp.csr_matrix:
    """(users, items); users in the given order, or as they come."""
    ids = user_ids if user_ids is not None else tuple(sorted(rows["user_id"].unique()))
    row_of = {str(user_id): n for n, user_id in enumerate(ids)}
    users, items = places(rows["user_id"], row_of), places(rows["item_id"], position)
    shape = (len(ids), len(position))
    if not ground.dataset.domain.has_negatives:
        found = sp.csr_matrix((np.ones(len(rows)), (users, items)), shape=shape)
        found.sum_duplicates()
        found.data[:] = 1.0
        return found
    values = _liking(ground, rows) - _means(ground, position)[items]
    own = np.bincount(users, values, len(ids)) / np.maximum(1, np.bincount(users))
    return sp.csr_matrix((values - own[users], (users, items)), shape=shape)


def _liking(ground: Ground, rows: pd.DataFrame) -> Floats:
    """Stars, or 1 and 0 where there are none, (rows,)."""
    column = "value" if ground.dataset.domain.has_ratings else "positive"
    return np.asarray(rows[column], dtype=np.float64)


def _means(ground: Ground, position: dict[str, int]) -> Floats:
    """Of each item among calibration users, (items,); the overall mean where nobody had it."""
    wanted = set(ground.calibration)
    log = pd.concat(
        [part[part["user_id"].isin(wanted)] for part in (ground.history, ground.held_out)]
    )
    liking = pd.Series(_liking(ground, log))
    means = liking.groupby(log["item_id"].to_numpy()).mean()
    return np.asarray(means.reindex(list(position)).fillna(liking.mean()), dtype=np.float64)
