"""Neighbours with what everybody gets taken off: personal, and blind to what is popular."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize

from focusgroup.recommenders import ItemIndex, rank
from focusgroup.simulator import RecRequest, Slate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TakenNeighbours:
    """Support by neighbours, in standard deviations above that of the training users.

    score(j) = (support(j) - mean(j)) / (deviation(j) + typical deviation), support(j) being the
    mean over the items i of the history of cos(i, j), the cosine of columns of the user-item
    matrix.

    Attributes:
        unit: (training users, items), columns of length 1. mean, deviation: (items,).
    """

    index: ItemIndex
    unit: csr_matrix
    mean: Floats
    deviation: Floats

    @classmethod
    def fit(cls, index: ItemIndex, taken: csr_matrix) -> TakenNeighbours:
        """Learn from who had what, (users, items) of 0 and 1."""
        unit = csr_matrix(normalize(taken, axis=0))
        support = _support(csr_matrix(normalize(taken, norm="l1")), unit)
        deviation = support.std(axis=0)
        return cls(index, unit, support.mean(axis=0), deviation + np.median(deviation) + 1e-12)

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        slates = []
        for request in requests:
            columns = self.index.known(i.item_id for i in request.history if i.positive)
            history = np.zeros((1, len(self.index)))
            history[0, columns] = 1 / max(len(columns), 1)
            above = _support(csr_matrix(history), self.unit)[0] - self.mean
            slates.append(rank(above / self.deviation, request, self.index))
        return slates


def _support(histories: csr_matrix, unit: csr_matrix) -> Floats:
    # By way of the users: the table of all pairs of items would be far larger.
    return np.asarray(((histories @ unit.T) @ unit).toarray())
