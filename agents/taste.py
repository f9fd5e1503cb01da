"""Taste of a user from the user's history: factors of the log.

PureSVD (Cremonesi, Koren and Turrin 2010): a truncated SVD of the user-item matrix; a new user is
folded in by projection, score = h V V'. Two matrices are looked at. `habits`: how often, as it is:
what is popular among people like this. `taste`: whether at all, each cell divided by the root of
what its user and its item have in all (correspondence analysis), so that neither busy users nor
popular items lead, and what sets a user apart from the crowd remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from focusgroup.simulator.types import Catalog

Floats = NDArray[np.float64]
DIMENSIONS = 32
RARE = 10.0  # users added to each item's count, so that rare items do not lead the scaled factors


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """Positions of items in the arrays of a model, and their attribute profiles.

    Attributes:
        attributes: (items, attributes), tf-idf, rows of length 1 or 0.
    """

    position: dict[str, int]
    attributes: sp.csr_matrix

    @classmethod
    def of(cls, catalog: Catalog) -> ItemIndex:
        position = {item_id: n for n, item_id in enumerate(catalog)}
        names = sorted({a for item in catalog.values() for a in item.attributes})
        column = {name: n for n, name in enumerate(names)}
        pairs = [
            (row, column[a])
            for row, item in enumerate(catalog.values())
            for a in dict.fromkeys(item.attributes)
        ]
        rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
        counts = sp.csr_matrix(
            (np.ones(len(pairs)), (rows, columns)), shape=(len(catalog), max(1, len(names)))
        )
        return cls(position, sp.csr_matrix(TfidfTransformer().fit_transform(counts)))


def history_matrix(
    index: ItemIndex, histories: Sequence[Sequence[tuple[str, float]]]
) -> sp.csr_matrix:
    """(users, items) of log1p of summed weights; items outside the catalogue are left out."""
    rows, columns, weights = [], [], []
    for row, history in enumerate(histories):
        for item_id, weight in history:
            if (column := index.position.get(item_id)) is not None:
                rows.append(row)
                columns.append(column)
                weights.append(weight)
    matrix = sp.csr_matrix(
        (np.asarray(weights, dtype=np.float64), (rows, columns)),
        shape=(len(histories), len(index.position)),
    )
    matrix.sum_duplicates()
    matrix.data = np.log1p(np.maximum(matrix.data, 0.0))
    return matrix


@dataclass(frozen=True, slots=True)
class Taste:
    """Factors (items, d) of a history matrix.

    Attributes:
        fold: (items, d): a history times this is the user's vector.
        factors: (items, d): the user's vector times this is the score.
    """

    fold: Floats
    factors: Floats

    @classmethod
    def fit(cls, matrix: sp.csr_matrix, seed: int, *, scaled: bool = False) -> Taste:
        """Learn from (users, items).

        Args:
            scaled: divide by the roots of what users and items have in all.
        """
        if not scaled:
            factors = _components(matrix, seed)
            return cls(factors, factors)
        each = np.maximum(1.0, np.asarray(matrix.sum(axis=1)).ravel())
        weight = 1 / np.sqrt(np.asarray(matrix.sum(axis=0)).ravel() + RARE)
        factors = _components(sp.diags(1 / np.sqrt(each)) @ matrix @ sp.diags(weight), seed)
        return cls(factors * weight[:, None], factors)

    def users(self, matrix: sp.csr_matrix) -> Floats:
        """Folded-in users, (users, d)."""
        return np.asarray(matrix @ self.fold)


def _components(matrix: sp.csr_matrix, seed: int) -> Floats:
    """Right singular vectors, (items, d); d is lowered where the matrix is small."""
    users, items = matrix.shape
    if matrix.nnz == 0 or items < 2:
        return np.zeros((items, 1))
    d = max(1, min(DIMENSIONS, users - 1, items - 1))
    with np.errstate(invalid="ignore", divide="ignore"):  # of a variance nobody asked for
        svd = TruncatedSVD(d, random_state=seed % 2**32).fit(sp.csr_matrix(matrix))
    return np.ascontiguousarray(svd.components_.T)


def attribute_profiles(index: ItemIndex, matrix: sp.csr_matrix) -> Floats:
    """Users' attribute profiles, (users, attributes), rows of length 1 or 0."""
    return np.asarray(normalize(matrix @ index.attributes).todense())
